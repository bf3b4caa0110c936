/** The rule compiler against the recordings of the reference's, and where it is better on purpose. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { compileRules, MAX_SOURCE_CHARS } from "../../src/network/rules/compile.ts";
import { type CompiledRules, formatRulesDocument } from "../../src/network/rules/document.ts";
import type { RuleSourceError } from "../../src/network/rules/source-error.ts";
import { acceptedSources, refusedSources } from "./rule-vectors.ts";

const SEED = 20261126;

function compiled(source: string, strict = false): CompiledRules {
  const result = compileRules(source, { strict });
  assert.ok(result.ok, result.ok ? "" : `${result.error.line}:${result.error.column} ${result.error.message}`);
  return result.value;
}

function refused(source: string, strict = false): RuleSourceError {
  const result = compileRules(source, { strict });
  assert.ok(!result.ok, `accepted: ${source}`);
  return result.error;
}

/** Rules in short: the type without its prefix, modifiers, and the values. */
function brief({ document }: CompiledRules): string {
  return document.config.rules
    .map(({ type, not, or, ...fields }) =>
      [
        or === true ? "or" : "",
        not === true ? "not" : "",
        type.replace(/^(?:ACTION|MATCH)_/, ""),
        ...Object.values(fields),
      ]
        .filter((part) => part !== "")
        .join(" "),
    )
    .join(" | ");
}

describe("the rule compiler in strict mode", () => {
  for (const { name, source, output } of acceptedSources) {
    test(`prints for "${name}" what the reference prints, to the letter`, () => {
      assert.equal(formatRulesDocument(compiled(source, true).document), JSON.stringify(output, null, 1));
    });
  }

  for (const { name, source, line, column, message } of refusedSources) {
    test(`refuses "${name}" where and with the words that the reference does`, () => {
      const error = refused(source, true);
      assert.deepEqual({ line: error.line, column: error.column, message: error.message }, { line, column, message });
    });
  }

  test("keeps the reference's ways with blocks that are not recorded on their own", () => {
    assert.equal(brief(compiled("accept ipprotocol tcp ; drop ; ;", true)), "IP_PROTOCOL 6 | ACCEPT | DROP");
    const { document } = compiled("cap c id 1 accept; \n drop dport 25 ; \n ; \n accept;", true);
    assert.deepEqual(document.config.capabilities[0]?.rules, [{ type: "ACTION_ACCEPT" }]);
    assert.equal(document.config.rules.length, 3);
  });
});

/** What recorded sources that the reference accepts give here, where it is something else, on purpose. */
const ACCEPTED_OTHERWISE: Readonly<Record<string, string>> = {
  "chr-all":
    "CHARACTERISTICS e000000000000000 | ACCEPT | CHARACTERISTICS 0000000000000fff | ACCEPT | CHARACTERISTICS 0000000000000001 | ACCEPT | " +
    "CHARACTERISTICS 0000000080000000 | ACCEPT | CHARACTERISTICS 0000000100000000 | ACCEPT | CHARACTERISTICS 8000000000000000 | ACCEPT | " +
    "CHARACTERISTICS 8000000000000000 | ACCEPT | CHARACTERISTICS 8000000000000002 | ACCEPT | CHARACTERISTICS 4000000080000000 | ACCEPT | " +
    "CHARACTERISTICS 0000000000000000 | ACCEPT | CHARACTERISTICS 8000000000000000 | ACCEPT",
  "chr-bit31-and-63":
    "CHARACTERISTICS 0000000080000001 | ACCEPT | CHARACTERISTICS 8000000100000000 | ACCEPT | CHARACTERISTICS 9800000000000000 | ACCEPT",
  "bare-accept-block-then-text": "ACCEPT | DROP",
  "nested-action": '1:8 "drop" is no match',
  "proto-prototype": '1:8 "constructor" is no match',
};

/** The same for sources that the reference refuses. */
const REFUSED_OTHERWISE: Readonly<Record<string, string>> = {
  "cap-ssh-and-default": "ACCEPT",
  "tag-flags":
    "TAGS_BITWISE_AND 2 6 | DROP | TAGS_BITWISE_OR 2 2 | TAGS_BITWISE_XOR 2 3 | ACCEPT | TAGS_EQUAL 2 1 | DROP | " +
    "TAG_SENDER 2 2147483648 | DROP | TAG_RECEIVER 2 7 | DROP | ACCEPT",
  "ipprotocol-names": [1, 1, 1, 2, 4, 6, 8, 9, 17, 27, 50, 51, 58, 58, 115, 132, 136, 47, 47]
    .map((protocol) => `IP_PROTOCOL ${protocol} | ACCEPT`)
    .join(" | "),
  "tag-flag-31-value": "TAGS_EQUAL 1 2147483648 | ACCEPT",
  "macro-called-before-definition": "ETHERTYPE 2054 | DROP | ACCEPT",
  "glued-semicolon-top-swallows": "ACCEPT | DROP",
  "case-keywords": '1:1 "ACCEPT" is written in capital letters, and so begins no statement',
  "error-position": '5:19 "zzz" is no number or range',
  "error-position-crlf-comment": '3:8 "foo" is no match',
  "macro-recursive": "1:9 macros include each other more than 64 deep (m)",
  "tee-bad-len": '1:5 "70000" is no length for tee',
  "tee-one-arg": "1:5 this tee has no target",
};

function outcome(source: string): string {
  const result = compileRules(source);
  return result.ok ? brief(result.value) : `${result.error.line}:${result.error.column} ${result.error.message}`;
}

describe("the rule compiler", () => {
  test("gives for every recorded source what the reference gives, but for the listed ones", () => {
    for (const { name, source, output } of acceptedSources) {
      const other = ACCEPTED_OTHERWISE[name];
      if (other === undefined) {
        assert.equal(formatRulesDocument(compiled(source).document), JSON.stringify(output, null, 1), name);
      } else assert.equal(outcome(source), other, name);
    }
  });

  test("refuses what the reference refuses, at the same place counted from 1, but for the listed ones", () => {
    for (const { name, source, line, column } of refusedSources) {
      const other = REFUSED_OTHERWISE[name];
      if (other === undefined) {
        const error = refused(source);
        assert.deepEqual([error.line, error.column], [line, line === 1 ? column + 1 : column], name);
        assert.notEqual(error.hint, "", name);
      } else assert.equal(outcome(source), other, name);
    }
  });

  test("lists no recorded source as different that is not there or not different", () => {
    const names = new Set([...acceptedSources, ...refusedSources].map(({ name }) => name));
    const listed = [...Object.keys(ACCEPTED_OTHERWISE), ...Object.keys(REFUSED_OTHERWISE)];
    assert.deepEqual(
      listed.filter((name) => !names.has(name)),
      [],
    );
    for (const { name, output, source } of acceptedSources) {
      if (name in ACCEPTED_OTHERWISE)
        assert.notEqual(outcome(source), brief({ document: output } as CompiledRules), name);
    }
  });

  test("takes an action without matches as a whole statement wherever it stands", () => {
    assert.equal(brief(compiled("drop; accept;")), "DROP | ACCEPT");
    assert.equal(brief(compiled("drop ; accept\n; break")), "DROP | ACCEPT | BREAK");
    const { document } = compiled("cap c id 1 accept; drop ethertype arp ; ; macro m break; accept; ; include m");
    assert.deepEqual(
      document.config.capabilities[0]?.rules.map(({ type }) => type),
      ["ACTION_ACCEPT", "MATCH_ETHERTYPE", "ACTION_DROP"],
    );
    assert.deepEqual(
      document.config.rules.map(({ type }) => type),
      ["ACTION_BREAK", "ACTION_ACCEPT"],
    );
  });

  test("refuses a capability or macro without an end of its own, which the reference would read otherwise", () => {
    const source = "cap admin\n id 1\n accept;\n\ndrop ethertype arp ;\naccept;";
    assert.equal(compiled(source, true).document.config.rules.length, 3);
    const error = refused(source);
    assert.deepEqual([error.line, error.column, error.message], [1, 1, 'the capability "admin" is never ended']);
    assert.match(refused("macro m accept;").hint, /write a ; of its own/);
    assert.equal(compiled("tag t id 7 enum 1 a").document.config.tags.length, 1);
  });

  test("counts lines and columns as editors do, and skips a byte order mark", () => {
    for (const [source, line, column] of [
      ["x", 1, 1],
      ["\ufeff x", 1, 3],
      ["# c\r\n# d\r\n x", 3, 2],
      ["# c\r x", 2, 2],
      ["accept\tfoo", 1, 8],
      ["accept ethertype ipv4 # x\n ;\n\tnonsense", 3, 2],
    ] as const) {
      const error = refused(source);
      assert.deepEqual([error.line, error.column], [line, column], JSON.stringify(source));
    }
    assert.equal(brief(compiled("\ufeffaccept;")), "ACCEPT");
  });

  test("says which word was probably meant", () => {
    for (const [source, hint] of [
      ["drpo;", "did you mean drop?"],
      ["allow ethertype ipv4 ;", "did you mean accept?"],
      ["drop dprot 22 ;", "did you mean dport?"],
      ["drop ethertype ip4 ;", "did you mean ipv4? Names are in lower case"],
      ["drop ipprotocol TCP ;", "did you mean tcp? Names are in lower case"],
      ["drop chr tcp_sin ;", "did you mean tcp_syn? Names are in lower case"],
      ["tag t id 1 ; drop teq T 1 ;", "did you mean t? Names are stored in lower case"],
      ["tag t id 1 enum 1 sales ; drop teq t Sales ;", "did you mean sales? Names are stored in lower case"],
      ["tag t id 1 enmu 1 a ;", "did you mean enum?"],
      ["macro web accept; ; include Web", "did you mean web? Names are stored in lower case"],
      [
        "macro m($Port) drop dport $Port ; ; include m(1)",
        "did you mean $port? Parameters are written in lower case where they are used",
      ],
      ["drop dport 22 accept dport 23 ;", 'the statement before is not ended: write ; before "accept"'],
      ["drop dport\u00a022 ;", "it has a space in it that is no plain space: type the spaces anew"],
      ["include m (1)", "define it at top level: macro m … ;"],
      ["macro m($a) drop dport $a ; ; include m (1)", "write include m($a), without spaces"],
      ["macro m drop; ; include m (1)", "write the arguments of a macro without a space before them"],
      ["tee -1 $collector1 ;", "parameters of macros do not work here: write the address itself"],
      ["cap c id 1 tag t id 1 ; ;", "tag stands at top level only: end what is around it with a ; before"],
      [
        "tag t id 1 accept;",
        "the tag before is not ended: write ; behind its last word, and one behind this statement",
      ],
      [
        "# what this does is allow\nports\n\ndrop;",
        'if "ports" belongs to the comment in the line before, begin this line with # as well',
      ],
      [
        "# how one uses a\ntag\naccept dport 1 ; ;",
        'if "tag" belongs to the comment in the line before, begin this line with # as well',
      ],
    ] as const) {
      assert.equal(refused(source).hint, hint, source);
    }
  });

  test("tells which value a macro's parameter had where it does not fit", () => {
    const error = refused("macro m($p)\n drop dport $p ;\n;\ninclude m(ssh)");
    assert.deepEqual([error.line, error.column], [2, 13]);
    assert.equal(error.message, '$p, which is "ssh" here, is no number or range');
    const inner = refused("macro in($p) drop dport $p ; ; macro out($q) include in($q) ; include out(1)");
    assert.equal(inner.message, '$p, which is "$q" here, is no number or range');
  });

  test("shows no control characters and no endless words in messages", () => {
    const error = refused(`drop ${"x".repeat(500)}\u001b[31m ;`);
    assert.ok(error.message.length < 80);
    assert.equal(refused("\u001b[2J").message, '"?[2J" begins no statement');
  });

  test("bounds what a source may be and may expand to", () => {
    assert.match(refused("#".repeat(MAX_SOURCE_CHARS + 1)).message, /1048576 are the most/);
    let bomb = "macro m0 accept; accept; ;\n";
    for (let i = 1; i < 40; i++) bomb += `macro m${i} include m${i - 1} include m${i - 1} ;\n`;
    assert.equal(refused(`${bomb}include m39`).reason, "too-large");
    assert.equal(refused(`${bomb.replace("accept; accept;", "")}include m39`, true).reason, "too-large");
    let chain = "macro m0 accept dport 1 ; ;\n";
    for (let i = 1; i < 64; i++) chain += `macro m${i} include m${i - 1} ;\n`;
    assert.equal(brief(compiled(`${chain}include m63`)), "IP_DEST_PORT_RANGE 1 1 | ACCEPT");
    assert.equal(refused("drop ".repeat(100_000)).reason, "unknown-match");
    assert.equal(refused(`drop chr ${"9".repeat(100_000)} ;`).reason, "bad-bit");
  });

  test("knows where every rule comes from", () => {
    const { origins, capabilities, tags } = compiled(
      "tag dep id 4 enum 1 a default a ;\nmacro m($v)\n accept\n  not teq dep $v\n ;\n;\ndrop ethertype arp and ;\ninclude m(a)\ncap c id 9 include m(1) ;\n",
    );
    const places = (list: typeof origins) => list.map(({ keyword, line, column }) => `${line}:${column} ${keyword}`);
    assert.deepEqual(places(origins), ["7:6 ethertype", "7:1 drop", "4:7 teq", "3:2 accept"]);
    assert.deepEqual(
      origins[1]?.ignoredModifiers.map(({ text }) => text),
      ["and"],
    );
    assert.deepEqual(origins[2]?.statement, { line: 3, column: 2 });
    assert.deepEqual(origins[2]?.includes, [{ macro: "m", line: 8, column: 1 }]);
    assert.deepEqual(
      origins[2]?.args.map(({ text, value }) => `${text}=${value}`),
      ["dep=dep", "$v=a"],
    );
    assert.deepEqual(places(capabilities[0]!.origins), ["4:7 teq", "3:2 accept"]);
    assert.deepEqual([capabilities[0]!.definition.line, capabilities[0]!.definition.column], [9, 5]);
    assert.equal(tags[0]?.defaultWord?.text, "a");
  });

  test("gives a document or a place in the source for whatever text it is given, in both modes", () => {
    const word = fc.constantFrom(
      ...[
        "drop",
        "accept",
        "break;",
        "tee",
        "-1",
        "deadbeef11",
        "redirect",
        "cap",
        "tag",
        "macro",
        "include",
        "id",
        "1",
      ],
      ...[
        "default",
        "enum",
        "flag",
        "a",
        "b",
        "m($a)",
        "m(1)",
        "$a",
        "ethertype",
        "ipv4",
        "icmp",
        "8",
        "-1",
        "chr",
        "31,63",
      ],
      ...[
        "tcp_syn",
        "and",
        "or",
        "not",
        ";",
        ";",
        ";",
        "teq",
        "dport",
        "22-80",
        "ipsrc",
        "10.0.0.0/8",
        "constructor",
        "# c\n",
      ],
      ...["\r\n", "__proto__", "priority", "watch", "random", "0.5", ",", "((", "é"],
    );
    const text = fc.oneof(
      fc.array(word, { maxLength: 40 }).map((words) => words.join(" ")),
      fc.string({ unit: "binary", maxLength: 200 }),
    );
    fc.assert(
      fc.property(text, fc.boolean(), (source, strict) => {
        const result = compileRules(source, { strict });
        if (result.ok) {
          const { document, origins, capabilities } = result.value;
          assert.equal(origins.length, document.config.rules.length);
          assert.equal(capabilities.length, document.config.capabilities.length);
          assert.deepEqual(JSON.parse(formatRulesDocument(document)), document);
          return;
        }
        if (strict) return;
        const line = source.split(/\r\n|\r|\n/)[result.error.line - 1];
        assert.ok(line !== undefined && result.error.column >= 1 && result.error.column <= line.length);
      }),
      { seed: SEED, numRuns: 1500 },
    );
  });
});
