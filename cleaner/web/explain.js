// The page works without this: it adds arrow keys, tapping, one tab stop instead of one a line, and a spoken count.
(() => {
  "use strict";
  const root = document.documentElement;
  const list = document.querySelector(".lines");
  const rows = [...list.children];
  const buttonOf = (row) => row.querySelector(".meta button");
  const isShown = (row) => row.getClientRects().length > 0;
  let current = null;

  const makeCurrent = (row) => {
    if (current) buttonOf(current).tabIndex = -1;
    current = row;
    if (row) buttonOf(row).tabIndex = 0;
  };
  const step = (from, by, wanted) => {
    for (let at = rows.indexOf(from) + by; rows[at]; at += by) {
      if (isShown(rows[at]) && wanted(rows[at])) return rows[at];
    }
    return null;
  };
  const open = (row, on) => {
    for (const other of list.querySelectorAll(":scope > .open")) {
      other.classList.remove("open");
      buttonOf(other).setAttribute("aria-expanded", "false");
    }
    row.classList.toggle("open", on);
    buttonOf(row).setAttribute("aria-expanded", String(on));
  };

  for (const row of rows) buttonOf(row).tabIndex = -1;
  makeCurrent(rows[0] ?? null);

  addEventListener("pointerdown", (event) => root.classList.toggle("touch", event.pointerType === "touch"), true);
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".lines > li");
    // A click that ends a selection, or one inside the reasons, is somebody copying text.
    if (!row || event.target.closest("a, .why") || !getSelection().isCollapsed) return;
    makeCurrent(row);
    open(row, !row.classList.contains("open"));
    // A button that was tapped keeps the focus, and focus shows the reasons: let go, or a second tap hides nothing.
    if (!row.classList.contains("open")) document.activeElement?.blur();
  });
  list.addEventListener("focusin", (event) => {
    root.classList.remove("quiet");
    const row = event.target.closest(".lines > li");
    if (row) makeCurrent(row);
  });
  list.addEventListener("pointerover", (event) => {
    if (event.target.closest(".lines > li") !== current) root.classList.remove("quiet");
  });
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = event.target.closest(".lines > li");
    const any = () => true;
    const removed = (other) => other.classList.contains("gone");
    const moves = { ArrowDown: [1, any], j: [1, any], ArrowUp: [-1, any], k: [-1, any], n: [1, removed], p: [-1, removed] };
    const move = moves[event.key];
    const target = row && move ? step(row, ...move) : null;
    if (!move) return;
    event.preventDefault();
    if (!target) return;
    buttonOf(target).focus({ preventScroll: true });
    target.scrollIntoView({ block: "nearest" });
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const row of list.querySelectorAll(":scope > .open")) open(row, false);
    root.classList.add("quiet");
  });

  const shown = document.querySelector(".shown");
  const empty = document.querySelector(".empty");
  const tell = () => {
    const n = rows.filter(isShown).length;
    shown.textContent = n === rows.length ? "" : `${n} of ${rows.length} lines shown`;
    empty.style.display = n || document.querySelector("#view-clean").checked ? "none" : "block";
    if (current && !isShown(current)) makeCurrent(rows.find(isShown) ?? current);
  };
  document.querySelector(".tools").addEventListener("change", tell);
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target || isShown(target)) return;
    document.querySelector(".tools").reset();
    tell();
    target.scrollIntoView();
  });
  addEventListener("pageshow", tell);
})();
