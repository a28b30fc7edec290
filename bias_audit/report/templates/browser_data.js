// The image table of the page: packed columns, decoded when they are first needed. See report/browser_section.py.
const MISSING = -32768, CODE_OFFSET = 32767, STEPS = 65000;

function bytesOf(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

// A function that is worked out once.
function lazily(make) {
  let made = null;
  return () => (made ??= { value: make() }).value;
}

function imageTable(packed) {
  const n = packed.n;
  const numbers = ({ values, wide }) => new (wide ? Uint32Array : Uint16Array)(bytesOf(values).buffer);

  const ids = lazily(() => {
    const { rest } = packed.names, shared = numbers(packed.names.shared), names = new Array(n);
    let before = "";
    for (let i = 0; i < n; i++) before = names[i] = before.slice(0, shared[i]) + rest[i];
    return names;
  });
  const lower = lazily(() => ids().map((name) => name.toLowerCase()));

  const contents = lazily(() => bytesOf(packed.hashes));
  // The key under which decisions about an image are kept, and links lead to it.
  function keyOf(row) {
    let text = "", known = 0;
    for (const byte of contents().subarray(8 * row, 8 * row + 8)) { known |= byte; text += byte.toString(16).padStart(2, "0"); }
    return known ? text : ids()[row];
  }
  const rowsByKey = lazily(() => {
    const rows = new Map();
    for (let row = n - 1; row >= 0; row--) rows.set(keyOf(row), row);
    return rows;
  });
  // Two files may have one content: the name tells them apart.
  const linkOf = (row) => rowsByKey().get(keyOf(row)) === row ? keyOf(row) : ids()[row];
  const rowOf = (link) => rowsByKey().get(link) ?? ids().indexOf(link);

  function category({ values, codes, wide }) {
    const decoded = lazily(() => !codes ? new Uint8Array(n) : wide ? new Uint16Array(bytesOf(codes).buffer) : bytesOf(codes));
    return { values, at: (row) => values[decoded()[row]] ?? "", codes: decoded };
  }
  const categories = new Map(Object.entries(packed.categories).map(([name, column]) => [name, category(column)]));
  const columns = new Map(Object.entries(packed.columns).map(([name, column]) => [name, category(column)]));

  function score({ low, high, step, codes, rows }) {
    return lazily(() => {
      const buffer = bytesOf(codes).buffer;
      let values;
      if (step === 0) values = Float64Array.from(new Float32Array(buffer));
      else values = Float64Array.from(new Int16Array(buffer), (code) => code === MISSING ? NaN : code + CODE_OFFSET === STEPS ? high : low + step * (code + CODE_OFFSET));
      if (!rows) return values;
      const all = new Float64Array(n).fill(NaN);
      numbers(rows).forEach((row, place) => { all[row] = values[place]; });
      return all;
    });
  }
  const scores = new Map(packed.scores.map((each) => [each.name, { title: each.title, unit: each.unit, values: score(each) }]));

  // The findings that name an image, worst first, and the highest level among them (0 = none names it).
  const byRow = lazily(() => {
    const named = new Map();
    for (const finding of packed.findings) {
      let row = 0;
      for (const difference of finding.rows) {
        row += difference;
        if (!named.has(row)) named.set(row, []);
        named.get(row).push(finding);
      }
    }
    return named;
  });
  const findingsOf = (row) => byRow().get(row) ?? [];
  const levels = lazily(() => {
    const highest = new Uint8Array(n);
    for (const [row, findings] of byRow()) highest[row] = 1 + Math.max(...findings.map((finding) => finding.level));
    return highest;
  });

  const pictures = new Map(packed.pictures.map((picture) => [picture.row, picture]));
  const rowOfPicture = (key) => packed.pictures.find((picture) => picture.key === key)?.row ?? -1;

  const right = lazily(() => {
    const label = categories.get("label"), predicted = categories.get("predicted");
    const verdicts = new Int8Array(n);
    for (let row = 0; row < n; row++) if (predicted.at(row)) verdicts[row] = predicted.at(row) === label.at(row) ? 1 : -1;
    return verdicts;
  });

  const order = lazily(() => numbers(packed.order));

  // Rows that pass, in order: {text, picks: [[column, value]], right: "", "right" or "wrong", level, sort, up}.
  function select({ text, picks, right: wanted, level, sort, up }) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const tests = picks.map(([column, value]) => {
      const code = column.values.indexOf(value), codes = column.codes();
      return (row) => codes[row] === code;
    });
    if (wanted) tests.push((row) => right()[row] === (wanted === "right" ? 1 : -1));
    if (level === "any") tests.push((row) => levels()[row] > 0);
    else if (level === "none") tests.push((row) => levels()[row] === 0);
    else if (level) { const place = 1 + packed.levels.indexOf(level); tests.push((row) => levels()[row] === place); }
    if (words.length) {
      const label = categories.get("label"), predicted = categories.get("predicted");
      const inNames = (row, word) => lower()[row].includes(word) || label.at(row).toLowerCase().includes(word) || predicted.at(row).toLowerCase().includes(word);
      tests.push((row) => words.every((word) => inNames(row, word)));
    }
    const rows = order().filter((row) => tests.every((test) => test(row)));
    if (sort === "name") {
      const names = ids(), sign = up ? -1 : 1; // the letters' usual order first
      return Array.from(rows).sort((a, b) => sign * (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : 0));
    }
    if (!scores.has(sort)) return up ? Array.from(rows).reverse() : Array.from(rows);
    const values = scores.get(sort).values(), sign = up ? 1 : -1;
    // What has no value is neither high nor low: it comes last, either way.
    const known = Array.from(rows).filter((row) => !Number.isNaN(values[row]));
    const rest = Array.from(rows).filter((row) => Number.isNaN(values[row]));
    return known.sort((a, b) => sign * (values[a] - values[b])).concat(rest);
  }

  return { n, ids, keyOf, linkOf, rowOf, categories, columns, scores, findingsOf, levels, levelNames: packed.levels, pictures, rowOfPicture, right, select };
}
