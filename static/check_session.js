// The iframe of OpenID Connect Session Management 1.0, 3.1. A relying party posts "client_id session_state" and is answered unchanged, changed or
// error. Written for very old engines: ECMAScript 5, and SHA-256 by hand.
(function () {
  "use strict";

  // FIPS 180-4, 5.3.3 and 4.2.2.
  var INITIAL = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
  ];
  var K = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
  ];

  function rotate(x, n) {
    return (x >>> n) | (x << (32 - n));
  }

  // sha256 returns the hash of a text in UTF-8, in hexadecimal.
  function sha256(text) {
    var bytes = unescape(encodeURIComponent(text)), length = bytes.length, words = [], hash = INITIAL.slice(), i, j;
    for (i = 0; i < length; i++) {
      words[i >> 2] |= bytes.charCodeAt(i) << (24 - (i % 4) * 8);
    }
    words[length >> 2] |= 0x80 << (24 - (length % 4) * 8);
    var last = ((length + 8) >> 6) * 16 + 15;
    words[last - 1] = Math.floor(length / 0x20000000);
    words[last] = (length << 3) | 0;
    for (i = 0; i <= last; i += 16) {
      var w = [], s = hash.slice();
      for (j = 0; j < 64; j++) {
        if (j < 16) {
          w[j] = words[i + j] | 0;
        } else {
          var x = w[j - 15], y = w[j - 2];
          w[j] = (w[j - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)) + w[j - 7] + (rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10))) | 0;
        }
        var t1 = (s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[j] + w[j]) | 0;
        var t2 = ((rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]))) | 0;
        s = [(t1 + t2) | 0, s[0], s[1], s[2], (s[3] + t1) | 0, s[4], s[5], s[6]];
      }
      for (j = 0; j < 8; j++) {
        hash[j] = (hash[j] + s[j]) | 0;
      }
    }
    var hex = "";
    for (i = 0; i < 8; i++) {
      hex += ("0000000" + (hash[i] >>> 0).toString(16)).slice(-8);
    }
    return hex;
  }

  // browserState reads the cookie; "" when this browser shows none to a frame.
  function browserState() {
    var name = document.documentElement.getAttribute("data-cookie") + "=", parts, i;
    try {
      parts = document.cookie.split("; ");
    } catch (e) {
      return ""; // a sandboxed frame may not even ask
    }
    for (i = 0; i < parts.length; i++) {
      if (parts[i].indexOf(name) === 0) {
        return parts[i].slice(name.length);
      }
    }
    return "";
  }

  function check(message, origin) {
    if (typeof message !== "string") {
      return "error";
    }
    // A client_id may hold spaces, a session_state does not.
    var space = message.lastIndexOf(" "), sessionState = message.slice(space + 1), dot = sessionState.indexOf(".");
    if (space < 1 || dot !== 64 || dot === sessionState.length - 1) {
      return "error";
    }
    var state = browserState(), salt = sessionState.slice(dot + 1);
    if (!state) {
      return "error"; // "changed" would make relying parties ask again and again where cookies are blocked
    }
    try {
      return sha256(message.slice(0, space) + " " + origin + " " + state + " " + salt) === sessionState.slice(0, dot) ? "unchanged" : "changed";
    } catch (e) {
      return "error"; // half a surrogate pair, which has no UTF-8
    }
  }

  // embedder is the origin of the page that embeds this one; "" in engines that do not tell. There the origin in the hash alone decides.
  function embedder() {
    var ancestors = window.location.ancestorOrigins;
    return ancestors && ancestors.length ? ancestors[0] : "";
  }

  window.addEventListener("message", function (e) {
    // 3.1: only pages of the embedding page's own origin are answered. An opaque origin cannot be.
    if (!e.source || !e.origin || e.origin === "null" || (embedder() && embedder() !== e.origin)) {
      return;
    }
    e.source.postMessage(check(e.data, e.origin), e.origin);
  }, false);
})();
