# Orrery as a container on RouterOS 7 (arm64, arm, x86 and CHR). Read it, change the names and addresses at the top,
# and paste it block by block. Syntax of RouterOS 7.21 and later; the two lines that differ on older releases are marked.
#
# Before:
#   1. Install the "container" package and allow containers; the router wants this confirmed by its reset button or a
#      power cycle:  /system/device-mode/update container=yes
#   2. Use an external disk (USB, NVMe; ext4). Here it is usb1. Flash memory inside the router is too small and wears out.
#   3. On a computer, make the image as a file for the router's platform and upload it to the disk. RouterOS creates
#      mounted directories as root and not every release can run a container as another user, hence ORRERY_UID=0:
#        docker buildx build -f deploy/Dockerfile --platform linux/arm64 --build-arg ORRERY_UID=0 --provenance=false \
#          --output type=docker,dest=orrery.tar .
#        scp orrery.tar admin@router:usb1/orrery.tar
#      Platforms: linux/arm64 (RB5009, CCR2004, hAP ax³ …), linux/arm/v7 (other ARM boards), linux/amd64 (x86, CHR).
#      Boards with an EN7562CT (hEX refresh) run ARMv5 images only, and there is no Node.js for those.
#
# The container needs no privileges: it is a UDP server with one directory.

:global orreryDisk "usb1"

# --- 1. A link between router and container: a network of its own, routed, never bridged to the LAN.
/interface/veth/add name=veth-orrery address=172.31.93.2/30 gateway=172.31.93.1 comment="Orrery"
/ip/address/add address=172.31.93.1/30 interface=veth-orrery comment="Orrery"

# --- 2. The world reaches the root on UDP 9993. dst-nat changes the destination only: the root must see its clients'
#        real addresses, because it tells them to each other. Do not masquerade towards veth-orrery.
/ip/firewall/nat/add chain=dstnat in-interface-list=WAN protocol=udp dst-port=9993 \
  action=dst-nat to-addresses=172.31.93.2 to-ports=9993 comment="Orrery: ZeroTier in"
# What the root sends first (it asks new clients in turn) must leave from port 9993 as well: above the general rule.
/ip/firewall/nat/add chain=srcnat out-interface-list=WAN protocol=udp src-address=172.31.93.2 src-port=9993 \
  action=masquerade to-ports=9993 comment="Orrery: ZeroTier out" place-before=0
# The default forward chain accepts what was dst-natted. With a stricter one:
#   /ip/firewall/filter/add chain=forward protocol=udp dst-address=172.31.93.2 dst-port=9993 action=accept place-before=0

# Clients in the LAN that use the public address need the same without the interface list (hairpin), or a second
# endpoint in the world: the router's LAN address.

# --- 3. State: one directory on the disk survives image upgrades.
/container/config/set tmpdir="$orreryDisk/tmp"
/container/mounts/add list=orrery src="$orreryDisk/orrery" dst=/var/lib/orrery
# RouterOS 7.20 and earlier:
#   /container/mounts/add name=orrery src="$orreryDisk/orrery" dst=/var/lib/orrery

# --- 4. The container.
/container/add file="$orreryDisk/orrery.tar" interface=veth-orrery root-dir="$orreryDisk/orrery-root" mountlists=orrery \
  logging=yes start-on-boot=yes comment="Orrery"
# RouterOS 7.20 and earlier: mounts=orrery in place of mountlists=orrery
# RouterOS unpacks the image: wait until /container/print says "stopped".

# --- 5. First start. The root does not know its public address, so tell it once; replace 203.0.113.7 by yours. The
#        command prints what to do on the clients. Without --moon it makes a private planet.
/container/set [find comment="Orrery"] cmd="init --moon --home /var/lib/orrery --endpoint 203.0.113.7/9993"
/container/start [find comment="Orrery"]
# When /container/print says "stopped" again, read the output with  /log/print where topics~"container"  and go on:
/container/set [find comment="Orrery"] cmd="up --home /var/lib/orrery"
/container/start [find comment="Orrery"]

# --- Later.
# What is going on:     /container/shell [find comment="Orrery"]   and there:  orrery info
# A new image:          /container/stop, /container/remove, upload, step 4 again with cmd="up …". The mount keeps the identity.
# Clients with MikroTik's own ZeroTier package: give them the moon's file from usb1/orrery/moons.d/.
