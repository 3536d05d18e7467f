// What a test asks of a page: text whose contrast is below 4.5:1, and whether the page scrolls sideways.
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = color => { // the browser itself reads every form of a colour
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] === 255) return c;
    }
    return [255, 255, 255, 255];
  };
  const faint = [], seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.checkVisibility()) continue;
    const style = getComputedStyle(e);
    const front = rgba(e instanceof SVGElement ? style.fill : style.color), back = behind(e);
    const [hi, lo] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    const ratio = (hi + 0.05) / (lo + 0.05);
    const what = `${e.tagName}.${e.getAttribute("class") || ""}`;
    if (ratio < 4.5 && !seen.has(what)) {
      seen.add(what);
      faint.push(`${what} ${n.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
  }
  const root = document.documentElement;
  const wide = [...document.querySelectorAll("main *")].filter(e => !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 3).map(e => `${e.tagName}.${e.getAttribute("class") || ""} ${e.textContent.trim().slice(0, 40)}`);
  return {
    faint, wide, sideways: root.scrollWidth - innerWidth, scripts: document.scripts.length,
    foreign: document.querySelectorAll("img, iframe, object, embed, link, form, base").length,
    styled: getComputedStyle(document.querySelector("main")).maxWidth !== "none",
    dark: luminance(behind(document.body)) < 0.2,
    lost: [...document.querySelectorAll('a[href^="#"]')].filter(a => !document.getElementById(a.getAttribute("href").slice(1))).length,
  };
})()
