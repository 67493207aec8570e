// What programs print to terminals, at random: everything follows from a seed. The sequences are those of terminfo's xterm entries and
// of programs that write their own.

type Random = () => number;

const below = (random: Random, most: number): number => Math.floor(random() * most);

function one<T>(random: Random, of: readonly T[]): T {
  return of[below(random, of.length)] as T;
}

const WORDS = [
  "ls -la",
  "a",
  "  ",
  "warning:",
  "x".repeat(7),
  "y".repeat(31),
  "\u00e9t\u00e9",
  "~",
  "qqqq",
  "lk#@[\\]",
];
const WIDE = ["\u5317\u4eac", "\uff21", "\ud55c\uae00", "\u{20bb7}", "\u3042b"];
const MARKED = ["e\u0301", "n\u0303o\u0308", "\u0e01\u0e38\u0e49", "\u0301", "a\u200d", "\u2764\ufe0f", "\u{1f600}"];
const PLAIN_LOOKS = [0, 0, 0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 23, 24, 25, 27, 28, 29, 39, 49, 53, 55, 59];
const MODES = [1, 1, 6, 7, 7, 12, 25, 45, 66, 9, 1000, 1002, 1003, 1004, 1006, 1016, 2004, 2026, 47, 1047, 1048, 1049];
const SETS = ["0", "0", "B", "B", "A", "4", "C", "R", "K", "=", "?"];
const MOVES = ["A", "B", "C", "D", "E", "F", "G", "H", "d", "e", "a", "`", "f", "I", "Z"];
const SHIFTS = ["@", "P", "X", "L", "M", "S", "T", " @", " A", "'}", "'~"];

function text(random: Random): string {
  const kind = random();
  if (kind < 0.2) return one(random, WIDE);
  if (kind < 0.3) return one(random, MARKED);
  if (kind < 0.4) return "z".repeat(below(random, 40));
  return one(random, WORDS);
}

function colour(random: Random): string {
  const of = one(random, [38, 48, 58]);
  const [a, b, c] = [below(random, 256), below(random, 256), below(random, 256)];
  const forms = [
    `${of};5;${a}`,
    `${of}:5:${a}`,
    `${of};2;${a};${b};${c}`,
    `${of}:2:${a}:${b}:${c}`,
    `${of}:2::${a}:${b}:${c}`,
  ];
  return one(random, forms);
}

function look(random: Random): string {
  const numbers = Array.from({ length: 1 + below(random, 3) }, () => {
    const kind = random();
    if (kind < 0.25) return colour(random);
    if (kind < 0.5) return String(one(random, [30, 40, 90, 100]) + below(random, 8));
    if (kind < 0.6) return `4:${below(random, 7)}`;
    return String(one(random, PLAIN_LOOKS));
  });
  return `\x1b[${random() < 0.1 ? "" : numbers.join(";")}m`;
}

function link(random: Random): string {
  const end = one(random, ["\x1b\\", "\x07"]);
  if (random() < 0.5) return `\x1b]8;;${end}`;
  return `\x1b]8;${one(random, ["", "id=a", "x=1:id=b"])};https://one.example/${below(random, 3)}${end}`;
}

/** A number that is left out, small, or beyond any edge. */
function number(random: Random): string {
  return one(random, ["", "0", "1", "2", "3", String(1 + below(random, 24)), "999"]);
}

type Act = (random: Random) => string;

const ACTS: readonly (readonly [number, Act])[] = [
  [30, text],
  [10, (random) => one(random, ["\r\n", "\r\n", "\n", "\r", "\b", "\t", "\v", "\f"])],
  [10, look],
  [8, (random) => `\x1b[${number(random)}${one(random, MOVES)}`],
  [5, (random) => `\x1b[${number(random)};${number(random)}${one(random, ["H", "H", "f"])}`],
  [5, (random) => `\x1b[${one(random, ["", "", "?"])}${one(random, ["", "0", "1", "2"])}K`],
  [3, (random) => `\x1b[${one(random, ["", "", "?"])}${one(random, ["", "0", "1", "2", "3"])}J`],
  [6, (random) => `\x1b[${number(random)}${one(random, SHIFTS)}`],
  [5, (random) => `\x1b[?${one(random, MODES)}${one(random, ["h", "l"])}`],
  [2, (random) => `\x1b[${one(random, [4, 4, 20])}${one(random, ["h", "l", "l"])}`],
  [3, (random) => `\x1b[${number(random)};${number(random)}r`],
  [4, (random) => one(random, ["\x1b7", "\x1b8", "\x1b[s", "\x1b[u"])],
  [3, (random) => one(random, ["\x1bD", "\x1bE", "\x1bM", "\x1bM", "\u0084", "\u0085"])],
  [2, (random) => one(random, ["\x1bH", "\x1b[g", "\x1b[3g", "\u0088"])],
  [3, (random) => `\x1b${one(random, ["(", "(", ")", "*", "+", "-", "."])}${one(random, SETS)}`],
  [3, (random) => one(random, ["\x0e", "\x0f", "\x1bn", "\x1bo", "\x1b~", "\x1b%G"])],
  [3, (random) => `${text(random)}\x1b[${one(random, ["", "1", "3", "30"])}b`],
  [2, link],
  [1, (random) => `\x1b[${below(random, 8)} q`],
  [1, (random) => `\x1b[${below(random, 3)}"q`],
  [1, (random) => one(random, ["\x1b#8", "\x1b[!p", "\x1bc", "\x1b=", "\x1b>"])],
  [
    1,
    (random) =>
      one(random, ["\x1b]0;title\x07", "\x1b]2;\u00e9\x1b\\", "\x1bP$qm\x1b\\", "\x1b_apc\x1b\\", "\x1b^pm\x1b\\"]),
  ],
  [
    1,
    (random) =>
      one(random, ["\x1b[?", "\x1b[1;2", "\x1b[38:2", "\x1b]8;;x", "\x1b", "\x1b(", "\x1b[1 ", "\x1bP1", "\x1b[0?"]),
  ],
  [
    1,
    (random) =>
      `\x1b[?${one(random, ["1049", "1047", "47"])}h${text(random)}\x1b[?${one(random, ["1049", "1047", "47"])}l`,
  ],
];
const WEIGHTS = ACTS.reduce((sum, [weight]) => sum + weight, 0);

export function act(random: Random): string {
  let place = below(random, WEIGHTS);
  for (const [weight, make] of ACTS) {
    place -= weight;
    if (place < 0) return make(random);
  }
  return "";
}
