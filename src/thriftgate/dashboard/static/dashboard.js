// Makes pages livelier: nothing here is needed to read one. No library, nothing from elsewhere.

// A menu that scrolls on a phone shows where one is.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Live calls: the server sends rows that are drawn and escaped there.
const live = document.querySelector("[data-live]");
if (live) {
  const state = document.querySelector("[data-live-state]");
  const said = document.querySelector("[data-live-said]");
  const pause = document.querySelector("[data-live-pause]");
  const body = live.querySelector("[data-live-settled]");
  const open = live.querySelector("[data-live-open]");
  const rows = (html) => {
    const made = document.createElement("template");
    made.innerHTML = html;
    return made.content;
  };
  let paused = false;
  let waiting = { count: 0, usd: 0 };
  let saidAt = 0;
  const events = new EventSource(live.dataset.live);
  events.addEventListener("tick", (message) => {
    if (paused) return;
    const tick = JSON.parse(message.data);
    state.textContent = `live, ${tick.at}`;
    state.classList.add("good");
    live.querySelector("[data-live-open-count]").textContent = tick.open_count;
    live.querySelector("[data-live-none]").hidden = tick.open_count > 0;
    open.replaceChildren(rows(tick.open));
    if (tick.settled) {
      live.querySelector("[data-live-first]")?.remove();
      const made = rows(tick.settled);
      for (const row of made.querySelectorAll("tr")) row.classList.add("fresh");
      body.prepend(made);
      while (body.rows.length > 200) body.lastElementChild.remove();
    }
    waiting.count += tick.count;
    waiting.usd += Number(tick.cost_usd);
    if (waiting.count && Date.now() - saidAt > 10_000) {
      said.textContent = `${waiting.count} new ${waiting.count === 1 ? "call" : "calls"}, $${waiting.usd.toFixed(4)}`;
      waiting = { count: 0, usd: 0 };
      saidAt = Date.now();
    }
  });
  events.addEventListener("error", () => {
    state.textContent = "not connected; trying again";
    state.classList.remove("good");
  });
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused) state.textContent = "paused";
    state.classList.toggle("good", !paused);
  });
  addEventListener("pagehide", () => events.close());
}

// A button that copies.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

// A form whose answer changes as it is changed: the page is asked for again, and its answer put in place.
for (const form of document.querySelectorAll("form[data-wish]")) {
  const target = form.dataset.wish;
  let timer;
  let asked;
  const ask = async () => {
    asked?.abort();
    asked = new AbortController();
    const url = new URL(location.pathname, location.href);
    url.search = new URLSearchParams(new FormData(form)).toString();
    const answer = document.querySelector(target);
    answer.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(url, { signal: asked.signal, headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.querySelector(target);
      if (fresh) {
        answer.replaceChildren(...fresh.childNodes);
        history.replaceState(null, "", url);
      } else {
        location.assign(url);
      }
      answer.setAttribute("aria-busy", "false");
    } catch (error) {
      if (error.name !== "AbortError") location.assign(url);
    }
  };
  form.addEventListener("input", (event) => {
    const output = form.querySelector(`output[for="${event.target.id}"]`);
    if (output) output.value = `${event.target.value} %`;
    clearTimeout(timer);
    timer = setTimeout(ask, 250);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    ask();
  });
}
