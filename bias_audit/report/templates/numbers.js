"use strict";
// A number as text, as run/quantities.py and report/rendering.py have it: 68%, 68 pp, 0.68; a dash where there is none.
const quantity = (() => {
  const MINUS = "\u2212", SUFFIXES = { share: "%", points: "\u202fpp" };
  // Half to even, as Python rounds.
  const [whole, tenths, hundredths] = [0, 1, 2].map((digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, roundingMode: "halfEven" }));

  return (value, unit) => {
    if (value === null || !Number.isFinite(value)) return "–";
    const percent = unit === "share" || unit === "points", size = Math.abs(value);
    let text;
    if (!percent) text = hundredths.format(value);
    else if (0 < size && size < 0.0005) text = value > 0 ? "< 0.1" : "> -0.1";
    else if (0.9995 <= size && size < 1) text = value > 0 ? "> 99.9" : "< -99.9";
    else text = ((0 < size && size < 0.01) || (0.99 < size && size < 1) ? tenths : whole).format(100 * value);
    return text.replace(/^-(?=[0.]+$)/, "").replace("-", MINUS) + (SUFFIXES[unit] ?? "");
  };
})();
