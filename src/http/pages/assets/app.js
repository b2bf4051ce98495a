// What the pages do beyond forms and links. Without this script everything works but live updates.
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Relative times, and clocks of what runs.
  const words = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 5) return "just now";
    if (s < 90) return s + " s ago";
    if (s < 90 * 60) return Math.round(s / 60) + " min ago";
    if (s < 36 * 3600) return Math.round(s / 3600) + " h ago";
    return Math.round(s / 86400) + " days ago";
  };
  const tick = () => {
    for (const time of all("time[data-ago]")) {
      const text = words((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
    for (const clock of all("[data-since]")) {
      const s = Math.max(0, Math.floor((Date.now() - Date.parse(clock.dataset.since)) / 1000));
      const pad = (n) => String(n).padStart(2, "0");
      const h = Math.floor(s / 3600);
      clock.textContent = (h ? h + ":" + pad(Math.floor(s / 60) % 60) : Math.floor(s / 60)) + ":" + pad(s % 60);
    }
  };
  setInterval(tick, 1000);

  // Browsers give the clipboard to pages over https and from this machine only.
  if (navigator.clipboard) for (const button of all("[data-copy][hidden]")) button.hidden = false;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button || !navigator.clipboard) return;
    const tell = (word) => {
      const said = document.getElementById("said");
      button.dataset.was ??= button.textContent;
      button.textContent = word;
      if (said) said.textContent = word;
      setTimeout(() => { button.textContent = button.dataset.was; }, 1200);
    };
    navigator.clipboard.writeText(button.dataset.copy).then(() => tell("copied"), () => tell("not copied"));
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(input|textarea|select)$/i.test(event.target.tagName)) return;
    const field = document.querySelector("[data-search]");
    if (field) { event.preventDefault(); field.focus(); }
  });

  // The decisions at a threshold: every step's counts came with the page.
  for (const box of all("[data-counts]")) {
    const steps = box.dataset.counts.split(";").map((pair) => pair.split(",").map(Number));
    const [rejected, accepted] = steps[0];
    const range = box.querySelector("input[type=range]");
    const number = box.querySelector("input[type=number]");
    const put = (name, text) => all('[data-value="' + name + '"]', box).forEach((e) => { e.textContent = text; });
    const show = (step) => {
      const [fp, tp] = steps[step];
      const tn = rejected - fp, fn = accepted - tp, n = rejected + accepted;
      const share = (a, b) => (b ? (100 * a / b).toFixed(1) + " %" : "–");
      put("tn", tn); put("fp", fp); put("fn", fn); put("tp", tp);
      put("accuracy", share(tp + tn, n)); put("precision", share(tp, tp + fp)); put("recall", share(tp, accepted));
      for (const mark of all("[data-mark]", box)) {
        const x = Number(mark.dataset.left) + step / 100 * Number(mark.dataset.width);
        mark.setAttribute("x1", x); mark.setAttribute("x2", x);
      }
    };
    const move = (from, to) => () => {
      const step = Math.min(100, Math.max(0, Math.round(Number(from.value))));
      to.value = step;
      show(step);
    };
    range.hidden = false;
    range.addEventListener("input", move(range, number));
    number.addEventListener("input", move(number, range));
  }

  // Live: the server sends whole regions; a stream is closed while its page is hidden.
  const page = document.querySelector("[data-live]");
  if (!page || !window.EventSource) return;
  const shown = document.getElementById("live");
  const pause = document.getElementById("live-pause");
  let source = null, heard = Date.now(), over = false, paused = false;

  // A screen reader hears of changes of state only, at most once in 10 s, and then of the last.
  const said = document.getElementById("said");
  let spoken = 0, next = "", timer = 0;
  const speak = () => { timer = 0; spoken = Date.now(); if (said) said.textContent = next; };
  const announce = (text) => {
    next = text;
    if (!timer) timer = setTimeout(speak, Math.max(0, spoken + 10000 - Date.now()));
  };

  // A region is replaced whole: what is open, scrolled and focused in it stays so, and what did not change stays untouched.
  const focusable = (region) => all("a[href],button,input,select,textarea,summary,[tabindex]", region);
  const rolled = (region) => all(".scroll,.log", region);
  const swap = (id, html) => {
    const region = document.getElementById(id);
    if (!region) return;
    const active = region.contains(document.activeElement) ? document.activeElement : null;
    const place = active ? focusable(region).indexOf(active) : -1;
    const open = all("details[id][open]", region).map((d) => d.id);
    const at = rolled(region).map((e) => [e.scrollLeft, e.scrollTop]);
    const before = region.textContent;
    region.innerHTML = html;
    open.forEach((name) => { const d = document.getElementById(name); if (d) d.open = true; });
    rolled(region).forEach((e, n) => { if (at[n]) { e.scrollLeft = at[n][0]; e.scrollTop = at[n][1]; } });
    if ("announce" in region.dataset && region.textContent !== before) announce(region.textContent.trim());
    if (!active) return;
    const same = (active.id && document.getElementById(active.id)) || focusable(region)[place];
    if (same && same.tagName === active.tagName) return same.focus({ preventScroll: true });
    if (!region.hasAttribute("tabindex")) region.tabIndex = -1;
    region.focus({ preventScroll: true });
  };
  const close = () => { if (source) { source.close(); source = null; } };
  const open = () => {
    if (source || over || paused || document.hidden) return;
    source = new EventSource(page.dataset.live);
    heard = Date.now();
    source.addEventListener("regions", (event) => {
      heard = Date.now();
      const news = JSON.parse(event.data);
      if (news.title) {
        // The first sign of a title is the state.
        const turned = Array.from(news.title)[0] !== Array.from(document.title)[0];
        if (turned && !document.querySelector("[data-announce]")) announce(news.title);
        document.title = news.title;
        const icon = document.querySelector("link[rel=icon][data-needs]");
        const wanted = news.title.startsWith("▲") ? icon.dataset.needs : icon.dataset.plain;
        if (icon.getAttribute("href") !== wanted) icon.href = wanted;
      }
      for (const id of Object.keys(news.regions)) swap(id, news.regions[id]);
      tick();
    });
    source.addEventListener("alive", () => { heard = Date.now(); });
    source.addEventListener("end", () => { over = true; close(); });
  };
  let lost = false;
  const state = () => {
    if (pause) pause.hidden = over;
    if (!shown) return;
    const silent = Math.round((Date.now() - heard) / 1000);
    const away = !over && !paused && silent >= 15;
    const text = over ? "" : paused ? "Paused" : away ? "Disconnected" : silent >= 5 ? "Last news " + silent + " s ago" : "Live";
    if (shown.textContent !== text) shown.textContent = text;
    if (away !== lost) announce(away ? "Disconnected" : "Connected again");
    lost = away;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  if (pause) pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused) close(); else open();
    state();
  });
  setInterval(state, 1000);
  open();
  state();
})();
