// Comfort on the admin site; every page does without it.
"use strict";

// A filter that is chosen is applied at once.
for (const form of document.querySelectorAll("[data-filter]")) {
  form.addEventListener("change", (event) => {
    if (event.target.tagName === "SELECT") form.requestSubmit();
  });
}

// Hosts of a new token are looked at while they are written.
const hosts = document.querySelector("textarea#hosts");
if (hosts) {
  const label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
  const good = new RegExp(`^(\\*|(\\*\\.)?${label}(\\.${label})*|\\[?[0-9a-f:.]+\\]?)$`, "i");
  const told = document.createElement("p");
  told.className = "error";
  told.setAttribute("role", "status");
  hosts.after(told);
  hosts.addEventListener("input", () => {
    const wrong = hosts.value.split(/[\s,]+/).find((host) => host && !good.test(host));
    told.textContent = wrong ? `“${wrong}” is no host: write app.example.com, *.example.com or *` : "";
  });
}

// Live activity: the same page is asked for again, and its list put in the place of the old one.
const live = document.querySelector("[data-live]");
if (live) {
  setInterval(async () => {
    if (document.hidden || document.activeElement?.closest("#live, form")) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (fresh) document.getElementById("live").replaceChildren(...fresh.childNodes);
    } catch {
      // The next turn asks again.
    }
  }, Number(live.dataset.live) * 1000);
}
