// A page of ours loads itself again when its session has ended elsewhere, and so leads to the login.
(function () {
  "use strict";
  var own = document.currentScript.src;

  import(own.replace(/[^/]*$/, "exeunt.js")).then(function (sdk) {
    var session = sdk.init({ issuer: own.replace(/\/static\/.*$/, ""), cookie: true, transports: ["websocket", "sse"] });
    session.on("logout", function () {
      location.reload();
    });
  });
})();
