// Keeps a page of the console up to date: asks for the same page again and puts its parts in place. Without it the page is as good, only
// older. It never touches what somebody is using.
(function () {
  "use strict";
  var region = document.getElementById("live");
  var note = document.getElementById("live-note");
  if (!region || !window.fetch || !window.DOMParser) {
    return;
  }
  var every = Number(region.getAttribute("data-live"));
  var failures = 0;

  function parts(root) {
    var found = root.querySelectorAll("[data-part]");
    return found.length ? Array.prototype.slice.call(found) : [root];
  }

  function inUse(part) {
    var selection = window.getSelection();
    var marked = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
    return marked || (part.contains(document.activeElement) && document.activeElement !== document.body);
  }

  function said(root) {
    var element = root.querySelector("[data-say]");
    return element ? element.textContent.replace(/\s+/g, " ").trim() : "";
  }

  function put(next) {
    var old = said(region);
    var fresh = parts(next);
    parts(region).forEach(function (part, i) {
      if (fresh[i] && part.innerHTML !== fresh[i].innerHTML && !inUse(part)) {
        part.innerHTML = fresh[i].innerHTML;
      }
    });
    var now = said(region);
    note.textContent = now !== old ? now : "";
    every = Number(next.getAttribute("data-live"));
  }

  function look() {
    if (document.hidden) {
      return plan();
    }
    fetch(window.location.href, { headers: { "X-Exeunt-Live": "1" }, credentials: "same-origin", redirect: "manual", cache: "no-store" })
      .then(function (answer) {
        if (answer.type === "opaqueredirect") { // the session is over: the login page knows the way back
          window.location.reload();
          return null;
        }
        if (!answer.ok) {
          throw new Error(String(answer.status));
        }
        return answer.text();
      })
      .then(function (text) {
        if (text === null) {
          return;
        }
        failures = 0;
        note.classList.remove("stale");
        var next = new DOMParser().parseFromString(text, "text/html").getElementById("live");
        if (next) {
          put(next);
        }
        plan();
      })
      .catch(function () {
        failures += 1;
        note.classList.add("stale");
        note.textContent = "This page may be out of date: the provider does not answer.";
        plan();
      });
  }

  function plan() {
    if (every > 0) {
      window.setTimeout(look, Math.min(every * 1000 * Math.pow(2, failures), 60000));
    }
  }

  plan();
})();
