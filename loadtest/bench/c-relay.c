/*
 * What a relay costs that does nothing else, in C: recvmmsg, a table of peers, sendmmsg. The measure beside which
 * `npm run bench` puts our relay. The relay's rule is ours (src/root/relay.ts); it says HELLO to nobody and introduces
 * nobody.
 *
 *   c-relay PORT OWN-ADDRESS TABLE
 *
 * OWN-ADDRESS: ten hex digits. TABLE: a file of 12-byte records, big-endian: 5 bytes address, 4 bytes IPv4, 2 bytes
 * port, 1 byte unused. Ends with SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
  BATCH = 64,
  DATAGRAM_BYTES = 10240,
  BUFFER_BYTES = 8 << 20,
  HEADER_BYTES = 28,
  FRAGMENT_HEADER_BYTES = 16,
  MAX_HOPS = 3,
  RECORD_BYTES = 12
};

/* One cache line. Address 0 is an empty slot. */
struct slot {
  uint64_t address;
  int64_t expires_ms;
  struct sockaddr_in to;
} __attribute__((aligned(64)));

static struct slot *slots;
static uint64_t mask;
static const uint64_t SEED = 0x9e3779b97f4a7c15ull;

static uint64_t address_at(const uint8_t *bytes) {
  return (uint64_t)bytes[0] << 32 | (uint64_t)bytes[1] << 24 | (uint64_t)bytes[2] << 16 | (uint64_t)bytes[3] << 8 |
         bytes[4];
}

static struct slot *find(uint64_t address) {
  uint64_t hash = (address ^ SEED) * 0xff51afd7ed558ccdull;
  for (uint64_t at = hash >> 20;; at++) {
    struct slot *slot = &slots[at & mask];
    if (slot->address == address || slot->address == 0) return slot;
  }
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  fseek(file, 0, SEEK_END);
  uint64_t count = (uint64_t)ftell(file) / RECORD_BYTES;
  rewind(file);
  uint64_t size = 64;
  while (size < count * 2) size *= 2;
  mask = size - 1;
  slots = aligned_alloc(64, size * sizeof *slots);
  if (!slots) fail("memory");
  memset(slots, 0, size * sizeof *slots);
  int64_t expires = now_ms() + 3600 * 1000;
  uint8_t record[RECORD_BYTES];
  while (fread(record, RECORD_BYTES, 1, file) == 1) {
    struct slot *slot = find(address_at(record));
    slot->address = address_at(record);
    slot->expires_ms = expires;
    slot->to.sin_family = AF_INET;
    memcpy(&slot->to.sin_addr, record + 5, 4);
    memcpy(&slot->to.sin_port, record + 9, 2);
  }
  fclose(file);
}

/* Where to, with one hop more; null if it is not to be relayed. */
static struct slot *decide(uint8_t *bytes, unsigned length, uint64_t self, int64_t now) {
  if (length <= FRAGMENT_HEADER_BYTES) return NULL;
  uint64_t destination = address_at(bytes + 8);
  int fragment = bytes[13] == 0xff;
  if (!fragment && length < HEADER_BYTES) return NULL;
  if (destination == self || destination == 0 || bytes[8] == 0xff) return NULL;
  if (!fragment && address_at(bytes + 13) == self) return NULL;
  uint8_t *hops = bytes + (fragment ? 15 : 18);
  if (fragment ? *hops >= MAX_HOPS : (*hops & 7) >= MAX_HOPS) return NULL;
  struct slot *slot = find(destination);
  if (slot->address == 0 || slot->expires_ms <= now) return NULL;
  *hops = (uint8_t)((*hops & 0xf8) | ((*hops + 1) & 7));
  return slot;
}

static uint8_t datagrams[BATCH][DATAGRAM_BYTES + 64] __attribute__((aligned(64)));
static struct mmsghdr in[BATCH], out[BATCH];
static struct iovec in_vectors[BATCH], out_vectors[BATCH];
static struct sockaddr_in from[BATCH];

int main(int count, char **words) {
  if (count != 4) {
    fprintf(stderr, "usage: c-relay PORT OWN-ADDRESS TABLE\n");
    return 2;
  }
  uint64_t self = strtoull(words[2], NULL, 16);
  load(words[3]);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) fail("socket");
  int size = BUFFER_BYTES;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) fail("SO_RCVBUFFORCE");
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0) fail("SO_SNDBUFFORCE");
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
  if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0) fail("bind");
  for (int i = 0; i < BATCH; i++) {
    in_vectors[i] = (struct iovec){datagrams[i], DATAGRAM_BYTES};
    in[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_iov = &in_vectors[i], .msg_iovlen = 1};
    out[i].msg_hdr = (struct msghdr){.msg_namelen = sizeof *from, .msg_iov = &out_vectors[i], .msg_iovlen = 1};
  }
  for (;;) {
    for (int i = 0; i < BATCH; i++) in[i].msg_hdr.msg_namelen = sizeof *from;
    int received = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
    if (received < 0) {
      if (errno == EINTR) continue;
      fail("recvmmsg");
    }
    int64_t now = now_ms();
    unsigned relayed = 0;
    for (int i = 0; i < received; i++) {
      struct slot *slot = decide(datagrams[i], in[i].msg_len, self, now);
      if (!slot) continue;
      out[relayed].msg_hdr.msg_name = &slot->to;
      out_vectors[relayed] = (struct iovec){datagrams[i], in[i].msg_len};
      relayed++;
    }
    for (unsigned at = 0; at < relayed;) {
      int sent = sendmmsg(fd, out + at, relayed - at, 0);
      /* The one that the kernel refuses is skipped. */
      at += sent > 0 ? (unsigned)sent : 1;
    }
  }
}
