// An open page leaves as soon as its session ends elsewhere.
(function () {
  "use strict";
  var version = document.body.getAttribute("data-version");
  function ask() {
    fetch("/status", { cache: "no-store", credentials: "same-origin" })
      .then(function (answer) { return answer.json(); })
      .then(function (status) {
        if (status.version !== version) {
          location.replace("/");
        } else {
          setTimeout(ask, 1000);
        }
      })
      .catch(function () { setTimeout(ask, 3000); });
  }
  setTimeout(ask, 1000);
})();
