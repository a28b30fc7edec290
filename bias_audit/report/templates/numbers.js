"use strict";
// A number as text, as run/quantities.py and report/rendering.py have it: 68%, 68 pp, 0.68; a dash where there is none.
const quantity = (() => {
  const MINUS = "\u2212", SUFFIXES = { share: "%", points: "\u202fpp" };

  function fixed(value, digits) {
    const scale = 10 ** digits, twice = 2 * value * scale;
    // An exact half goes to the even neighbour, as in Python; toFixed takes it away from zero.
    const half = Number.isInteger(8 * value) && Math.abs(twice % 2) === 1;
    const [whole, ...rest] = (half ? 2 * Math.round(twice / 4) / scale : value).toFixed(digits).split(".");
    return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...rest].join(".").replace(/^-(?=[0.]+$)/, "");
  }

  return (value, unit) => {
    if (value === null || !Number.isFinite(value)) return "–";
    const percent = unit === "share" || unit === "points", size = Math.abs(value);
    let text;
    if (!percent) text = fixed(value, 2);
    else if (0 < size && size < 0.0005) text = value > 0 ? "< 0.1" : "> -0.1";
    else if (0.9995 <= size && size < 1) text = value > 0 ? "> 99.9" : "< -99.9";
    else text = fixed(100 * value, (0 < size && size < 0.01) || (0.99 < size && size < 1) ? 1 : 0);
    return text.replace("-", MINUS) + (SUFFIXES[unit] ?? "");
  };
})();
