// Copyright (c) 2026 The storware.backup authors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// What a reader would complain of on a page: a list of sentences. Evaluated in the page by test_pages.py.
(() => {
  const found = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) found.push(`the page is ${wide} px wide in a window of ${innerWidth} px`);
  for (const part of document.querySelectorAll(".page, .main, .content, article, .announcement")) {
    const more = part.scrollWidth - part.clientWidth;
    if (more > 1 && getComputedStyle(part).overflowX !== "visible") {
      found.push(`${part.className || part.tagName} scrolls sideways by ${more} px`);
    }
  }
  for (const image of document.images) {
    if (!image.naturalWidth) found.push(`the picture ${image.getAttribute("src")} is not shown`);
  }

  // The part of a box that is seen: scrolled and cut by the elements around it
  const seen = (element, box) => {
    let {left, right, top, bottom} = box;
    for (let around = element; around && around !== document.documentElement; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (style.visibility === "hidden" || style.opacity === "0") return null;
      if (style.overflowX !== "visible" || style.overflowY !== "visible") {
        const frame = around.getBoundingClientRect();
        [left, right] = [Math.max(left, frame.left), Math.min(right, frame.right)];
        [top, bottom] = [Math.max(top, frame.top), Math.min(bottom, frame.bottom)];
      }
    }
    return right - left > 1 && bottom - top > 1 && right > 0 && left < innerWidth ? {left, right, top, bottom} : null;
  };

  const boxes = [];
  const walker = document.createTreeWalker(document.body || document.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const words = node.data.trim();
    if (!words || node.parentElement.closest("style, script, title, desc, noscript")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      // A line is less high than its box, which holds the longest letters of all fonts.
      const edge = box.height / 4;
      const part = seen(node.parentElement, {left: box.left, right: box.right, top: box.top + edge, bottom: box.bottom - edge});
      if (part) boxes.push({...part, node, words});
    }
  }
  boxes.sort((one, other) => one.top - other.top);
  const fixed = node => {
    for (let around = node.parentElement; around; around = around.parentElement) {
      if (["fixed", "sticky"].includes(getComputedStyle(around).position)) return around;
    }
    return null;
  };
  boxes.forEach((one, index) => {
    if (one.right > innerWidth + 1) found.push(`"${one.words.slice(0, 40)}" is cut off at the right`);
    for (let next = index + 1; next < boxes.length && boxes[next].top < one.bottom; next++) {
      const other = boxes[next];
      if (one.node === other.node) continue;
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (across > 2 && down > 1 && fixed(one.node) === fixed(other.node)) {
        found.push(`"${one.words.slice(0, 40)}" and "${other.words.slice(0, 40)}" overlap`);
      }
    }
  });
  return [...new Set(found)].slice(0, 20);
})()
