// Keeps the page after a logout up to date until everything is final. Without it the page loads itself again for a while.
(function () {
  "use strict";
  var list = document.getElementById("apps");
  var summary = document.getElementById("summary");
  if (!list || !summary || !window.fetch) {
    return;
  }
  var from = list.getAttribute("data-from");
  var wait = Number(list.getAttribute("data-poll"));
  var failures = 0;

  // Built from text alone: the names are those of apps.
  function line(app) {
    var item = document.createElement("li");
    var mark = document.createElement("span");
    var what = document.createElement("span");
    var small = document.createElement("small");
    item.className = app.state;
    mark.className = "mark " + app.state;
    mark.setAttribute("aria-hidden", "true");
    what.className = "what";
    small.textContent = app.text;
    what.appendChild(document.createTextNode(app.name + " "));
    what.appendChild(small);
    item.appendChild(mark);
    item.appendChild(what);
    return item;
  }

  function show(answer) {
    if (answer.total === 0) { // too old to be shown
      return;
    }
    if (summary.textContent !== answer.summary) {
      summary.textContent = answer.summary;
    }
    answer.apps.forEach(function (app, i) {
      var now = line(app);
      if (!list.children[i]) {
        list.appendChild(now);
      } else if (!list.children[i].isEqualNode(now)) {
        list.replaceChild(now, list.children[i]);
      }
    });
  }

  function ask() {
    fetch(from, { credentials: "same-origin", cache: "no-store" })
      .then(function (answer) {
        if (!answer.ok) {
          throw new Error(String(answer.status));
        }
        return answer.json();
      })
      .then(function (answer) {
        failures = 0;
        wait = answer.poll_ms;
        show(answer);
        if (wait === 0) {
          var progress = document.getElementById("progress");
          if (progress) {
            progress.parentNode.removeChild(progress);
          }
        }
        plan();
      })
      .catch(function () {
        failures += 1;
        plan();
      });
  }

  function plan() {
    if (wait > 0 && failures < 20) {
      window.setTimeout(ask, Math.min(wait * Math.pow(2, failures), 30000));
    }
  }

  plan();
})();
