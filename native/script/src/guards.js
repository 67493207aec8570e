// The engine asks whether a script must stop whenever it calls one of its functions or goes round one of its loops. Some loops
// of its own never do either. Here each of those is given a bound on its length, or is written in the script's own language.
() => {
  const { apply, construct } = Reflect;
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { isArray } = Array;
  const isNothing = Number.isNaN;
  const TextOf = String;
  const RealSet = Set;
  const RealMap = Map;
  const Excess = RangeError;
  const Refusal = TypeError;

  // Elements one step goes over, of what need not be there at all.
  const LENGTH_MAX = 4_000_000;
  // Elements sorted in one step.
  const SORT_MAX = 20_000;
  // Characters searched, times characters searched for.
  const SEARCH_MAX = 2 ** 30;
  // Characters whose alphabet is looked up.
  const LETTERS_MAX = 2_000_000;
  // Marks on one letter, which are put in order one by one; of all letters together, each one's marks times themselves.
  const MARKS_MAX = 1_000;
  const MARKS_ORDERED_MAX = 2 ** 24;
  // Characters of a pattern, which is read in one step: a property of letters in a class may cost a millisecond.
  const PATTERN_MAX = 20_000;

  const change = (target, names, make) => {
    for (const name of names) {
      const real = target[name];
      if (typeof real !== "function") continue;
      const made = make(real, name);
      defineProperty(made, "name", { __proto__: null, value: real.name, configurable: true });
      defineProperty(made, "length", { __proto__: null, value: real.length, configurable: true });
      defineProperty(target, name, { __proto__: null, value: made });
    }
  };
  const bounded = (list) => {
    let length = 0;
    if (isArray(list)) ({ length } = list);
    else if (typeof list === "object" || typeof list === "function") {
      const own = list === null ? undefined : getOwnPropertyDescriptor(list, "length");
      if (own !== undefined) length = own.value;
      else if (list !== null && "length" in list) throw new Refusal("an array is needed");
    }
    if (typeof length !== "number" || !(length <= LENGTH_MAX))
      throw new Excess(`more than ${LENGTH_MAX} elements at once`);
  };

  const arrays = Array.prototype;
  const { map } = arrays;
  const plain = [
    "copyWithin",
    "fill",
    "join",
    "reverse",
    "shift",
    "slice",
    "splice",
    "toLocaleString",
    "toReversed",
    "toSpliced",
    "unshift",
    "with",
  ];
  change(
    arrays,
    plain,
    (real) =>
      ({
        call(...given) {
          bounded(this);
          return apply(real, this, given);
        },
      }).call,
  );

  const inTextOrder = (a, b) => {
    const one = TextOf(a);
    const other = TextOf(b);
    return one < other ? -1 : one > other ? 1 : 0;
  };
  const inOrder = (a, b) => {
    if (a < b) return -1;
    if (a > b) return 1;
    if (a === b) return 0;
    if (!isNothing(a)) return -1;
    return isNothing(b) ? 0 : 1;
  };
  change(
    arrays,
    ["sort", "toSorted"],
    (real) =>
      ({
        call(order) {
          bounded(this);
          return apply(real, this, [order === undefined && this.length > SORT_MAX ? inTextOrder : order]);
        },
      }).call,
  );

  const append = (into, value) =>
    defineProperty(into, into.length, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  const flattened = (from, depth, into) => {
    bounded(from);
    const { length } = from;
    for (let at = 0; at < length; at += 1) {
      if (!(at in from)) continue;
      const one = from[at];
      if (depth >= 1 && isArray(one)) flattened(one, depth - 1, into);
      else append(into, one);
    }
    return into;
  };
  change(
    arrays,
    ["flat"],
    () =>
      ({
        call(depth = 1) {
          return flattened(this, +depth, []);
        },
      }).call,
  );
  change(
    arrays,
    ["flatMap"],
    () =>
      ({
        call(action, that) {
          return flattened(apply(map, this, [action, that]), 1, []);
        },
      }).call,
  );
  change(
    arrays,
    ["concat"],
    () =>
      ({
        call(...parts) {
          const into = isArray(this) ? flattened(this, 0, []) : [this];
          for (let at = 0; at < parts.length; at += 1) {
            if (isArray(parts[at])) flattened(parts[at], 0, into);
            else append(into, parts[at]);
          }
          return into;
        },
      }).call,
  );

  const typed = getPrototypeOf(Uint8Array.prototype);
  const lengthOf = getOwnPropertyDescriptor(typed, "length").get;
  change(
    typed,
    ["sort", "toSorted"],
    (real) =>
      ({
        call(order) {
          return apply(real, this, [order === undefined && apply(lengthOf, this, []) > SORT_MAX ? inOrder : order]);
        },
      }).call,
  );
  change(
    typed,
    ["join", "toLocaleString"],
    (real) =>
      ({
        call(...given) {
          if (apply(lengthOf, this, []) > LENGTH_MAX) bounded({ length: Infinity });
          return apply(real, this, given);
        },
      }).call,
  );
  defineProperty(typed, "toString", { __proto__: null, value: arrays.toString });
  change(
    typed,
    ["set"],
    (real) =>
      ({
        call(list, offset) {
          if (!ArrayBuffer.isView(list)) bounded(list);
          return apply(real, this, [list, offset]);
        },
      }).call,
  );

  // Collections take what they are given one by one.
  const { add } = RealSet.prototype;
  const { set } = RealMap.prototype;
  const collection = (Real, put) => {
    const Made = {
      [Real.name]: function (items) {
        if (new.target === undefined) throw new Refusal(`${Real.name} needs new`);
        const made = construct(Real, [], new.target);
        if (items !== undefined && items !== null) for (const item of items) put(made, item);
        return made;
      },
    }[Real.name];
    Made.prototype = Real.prototype;
    defineProperty(Made, "length", { __proto__: null, value: 0 });
    defineProperty(Made, Symbol.species, {
      __proto__: null,
      get() {
        return this;
      },
    });
    if (Real.groupBy) Made.groupBy = Real.groupBy;
    defineProperty(Real.prototype, "constructor", { __proto__: null, value: Made });
    defineProperty(globalThis, Real.name, { __proto__: null, value: Made });
  };
  collection(RealSet, (made, item) => apply(add, made, [item]));
  collection(RealMap, (made, item) => apply(set, made, [item[0], item[1]]));
  const sizeOf = getOwnPropertyDescriptor(RealSet.prototype, "size").get;
  const ofSets = [
    "union",
    "intersection",
    "difference",
    "symmetricDifference",
    "isSubsetOf",
    "isSupersetOf",
    "isDisjointFrom",
  ];
  change(
    RealSet.prototype,
    ofSets,
    (real) =>
      ({
        call(other) {
          apply(sizeOf, other, []);
          for (const name of ["size", "has", "keys"]) {
            if (getOwnPropertyDescriptor(other, name) !== undefined) throw new Refusal("a plain Set is needed");
          }
          return apply(real, this, [other]);
        },
      }).call,
  );
  for (const name of ["drop", "concat", "zip", "zipKeyed"]) {
    delete Iterator[name];
    delete Iterator.prototype[name];
  }

  // Text: looking for long text in long text, and what needs the tables of letters.
  const texts = String.prototype;
  const searched = (text, search) => {
    if (text.length * search.length > SEARCH_MAX)
      throw new Excess("the text is too long to be searched for text this long");
  };
  // What an object says it does with a text is asked once: it may say something else the second time.
  const methodOf = (what, symbol) =>
    symbol !== undefined && ((typeof what === "object" && what !== null) || typeof what === "function")
      ? what[symbol]
      : undefined;
  const { match } = Symbol;
  const { exec } = RegExp.prototype;
  const { indexOf } = texts;
  const needsAll = (what) => {
    if (what[match] !== undefined && apply(indexOf, TextOf(what.flags), ["g"]) < 0)
      throw new Refusal("the pattern needs the flag g");
  };
  const search = (symbol) => (real, name) =>
    ({
      call(what, more) {
        if (this === undefined || this === null) return apply(real, this, [what, more]);
        const method = methodOf(what, symbol);
        if (method !== undefined && method !== null) {
          if (name === "replaceAll") needsAll(what);
          return apply(method, what, [this, more]);
        }
        if (what === undefined) return apply(real, this, [what, more]);
        const text = TextOf(this);
        const sought = TextOf(what);
        searched(text, sought);
        return apply(real, text, [sought, more]);
      },
    }).call;
  change(texts, ["indexOf", "lastIndexOf"], search());
  change(texts, ["split"], search(Symbol.split));
  change(texts, ["replace", "replaceAll"], search(Symbol.replace));
  change(
    texts,
    ["includes"],
    (real) =>
      ({
        call(what, more) {
          if (typeof what !== "string" || this === undefined || this === null) return apply(real, this, [what, more]);
          const text = TextOf(this);
          searched(text, what);
          return apply(real, text, [what, more]);
        },
      }).call,
  );
  const lettersOf = (value) => {
    if (typeof value === "symbol") throw new Refusal("a symbol is no text");
    const text = TextOf(value);
    if (text.length > LETTERS_MAX) throw new Excess(`more than ${LETTERS_MAX} characters at once`);
    return text;
  };
  const cased = ["toLowerCase", "toUpperCase", "toLocaleLowerCase", "toLocaleUpperCase"];
  change(
    texts,
    cased,
    (real) =>
      ({
        call(...given) {
          if (this === undefined || this === null) return apply(real, this, given);
          return apply(real, lettersOf(this), given);
        },
      }).call,
  );
  // The halfwidth signs of voice are letters that become marks.
  const marks = /[\p{M}\uff9e\uff9f]{1,1001}/gu;
  const orderable = (text) => {
    if (text.length <= MARKS_MAX) return text;
    let ordered = 0;
    marks.lastIndex = 0;
    for (;;) {
      const run = apply(exec, marks, [text]);
      if (run === null) return text;
      const { length } = run[0];
      ordered += length * length;
      if (length > MARKS_MAX || ordered > MARKS_ORDERED_MAX)
        throw new Excess("too many marks on the letters of a text");
    }
  };
  change(
    texts,
    ["normalize"],
    (real) =>
      ({
        call(form) {
          if (this === undefined || this === null) return apply(real, this, [form]);
          return apply(real, orderable(lettersOf(this)), [form]);
        },
      }).call,
  );
  change(
    texts,
    ["localeCompare"],
    (real) =>
      ({
        call(other) {
          if (this === undefined || this === null) return apply(real, this, [other]);
          return apply(real, orderable(lettersOf(this)), [orderable(lettersOf(other))]);
        },
      }).call,
  );
  const { raw } = TextOf;
  defineProperty(TextOf, "raw", {
    __proto__: null,
    value(...given) {
      const pieces = given[0];
      if (pieces !== null && typeof pieces === "object") bounded(pieces.raw);
      return apply(raw, this, given);
    },
  });

  // Patterns: what is no pattern yet is made text here, and measured.
  const RealPattern = RegExp;
  const patterns = RealPattern.prototype;
  const isGlobal = getOwnPropertyDescriptor(patterns, "global").get;
  const isPattern = (value) => {
    try {
      return typeof apply(isGlobal, value, []) === "boolean";
    } catch {
      return false;
    }
  };
  const sourceOf = (value) => {
    if (value === undefined || typeof value === "symbol" || isPattern(value)) return value;
    if (methodOf(value, match)) throw new Refusal("a plain RegExp is needed");
    const text = TextOf(value);
    if (text.length > PATTERN_MAX) throw new Excess(`a pattern of more than ${PATTERN_MAX} characters`);
    return text;
  };
  const Pattern = {
    RegExp: function (source, flags) {
      if (new.target === undefined && flags === undefined && isPattern(source) && source.constructor === Pattern)
        return source;
      return construct(RealPattern, [sourceOf(source), flags], new.target ?? Pattern);
    },
  }.RegExp;
  for (const name of ["escape", Symbol.species]) {
    const own = getOwnPropertyDescriptor(RealPattern, name);
    if (own !== undefined) defineProperty(Pattern, name, own);
  }
  Pattern.prototype = patterns;
  defineProperty(patterns, "constructor", { __proto__: null, value: Pattern });
  defineProperty(globalThis, "RegExp", { __proto__: null, value: Pattern });
  delete patterns.compile;
  // Both make the pattern anew.
  change(
    patterns,
    [Symbol.split, Symbol.matchAll],
    (real) =>
      ({
        call(...given) {
          if (!isPattern(this)) throw new Refusal("a plain RegExp is needed");
          return apply(real, this, given);
        },
      }).call,
  );
  for (const [name, symbol] of [
    ["match", match],
    ["matchAll", Symbol.matchAll],
    ["search", Symbol.search],
  ]) {
    change(
      texts,
      [name],
      (real) =>
        ({
          call(what) {
            if (this === undefined || this === null) return apply(real, this, [what]);
            const method = methodOf(what, symbol);
            if (method === undefined || method === null) return apply(real, TextOf(this), [sourceOf(what)]);
            if (name === "matchAll") needsAll(what);
            return apply(method, what, [this]);
          },
        }).call,
    );
  }
};
