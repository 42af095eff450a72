// Exeunt's SDK for an application's pages: log out, and leave when the session has ended elsewhere. Its guide is docs/sdk.md.
// exeunt.classic.js is made of this file: no import, and export only before a declaration.

const OWN = "page"; // who ended the session: this page,
const TAB = "tab"; // another tab of the application in this browser,
const PROVIDER = "provider"; // or somebody elsewhere, of whom the provider told us

const FIRST_WAIT = 500; // milliseconds before a connection is tried again; it doubles
const LONGEST_WAIT = 30000;
const SPREAD = 3000; // after a restart of the provider all pages come back, but not at once
const OPEN_TIMEOUT = 10000; // for a connection, and for each call
const SILENCE = 12000; // how much later than expected a ping may come
const POLLS = 10; // so often the status is asked before connections are tried again

/** An error of the SDK. `code` is one of invalid_options, refused, unavailable; `status` is that of the provider's answer, if any. */
export class ExeuntError extends Error {
  constructor(code, message, status) {
    super(message);
    this.name = "ExeuntError";
    this.code = code;
    this.status = status || 0;
  }
}

/** Begins to watch the session of this page. See exeunt.d.ts for the options. */
export function init(options) {
  return new Session(options);
}

class Session {
  constructor(options) {
    const o = options || {};
    if (!/^https?:\/\/./.test(o.issuer || "")) {
      throw new ExeuntError("invalid_options", "init: issuer must be the provider's address, such as https://id.example.com");
    }
    if (!o.clientId && !o.cookie) {
      throw new ExeuntError("invalid_options", "init: clientId is missing");
    }
    this._issuer = o.issuer.replace(/\/$/, "");
    this._options = o;
    this._logoutUrl = o.logoutUrl || null;
    this._listeners = {};
    this._status = "unknown";
    this._closed = false;
    this._sid = null;
    this._waker = null; // ends the pause between two attempts
    this._abort = null; // closes the connection
    this._transport = 0; // which of the transports comes next
    this._fails = 0;
    this._heard = 0; // when the connection was last heard of
    this._patience = 0; // how long it may be silent
    this._stir = (event) => this._wake(event);
    for (const type of ["online", "pageshow"]) {
      addEventListener(type, this._stir);
    }
    document.addEventListener("visibilitychange", this._stir);
    this._openChannel();
    if (o.realtime !== false) {
      this._watch();
    }
  }

  /** The session's status as it is known: "live", "ended" or "unknown". */
  get state() {
    return this._status;
  }

  /** Calls fn with the payload of each event of a type. Returns a function that ends it. */
  on(type, fn) {
    const list = (this._listeners[type] = this._listeners[type] || []);
    list.push(fn);
    return () => {
      this._listeners[type] = this._listeners[type].filter((other) => other !== fn);
    };
  }

  /** Stops watching. Nothing ends by that. */
  close() {
    this._closed = true;
    if (this._abort) {
      this._abort();
    }
    this._rouse();
    for (const type of ["online", "pageshow"]) {
      removeEventListener(type, this._stir);
    }
    document.removeEventListener("visibilitychange", this._stir);
    if (this._channel) {
      this._channel.close();
      this._channel = null;
    }
  }

  /** Asks the provider whether the session lives. */
  async status() {
    const idToken = await this._idToken();
    if (!idToken) {
      return this._status;
    }
    const answer = await this._call("/api/session/status", { client_id: this._options.clientId, id_token: idToken });
    this._learn(answer.status, PROVIDER);
    return this._status;
  }

  /**
   * Ends the session in this browser, at all its applications. By script where cookie or ID token allow it; otherwise the page goes to the
   * provider, which logs out and comes back to redirectUri.
   */
  async logout() {
    const idToken = await this._idToken();
    const body = { client_id: this._options.clientId };
    if (idToken) {
      body.id_token = idToken;
    }
    let answer;
    try {
      answer = await this._call("/api/session/logout", body, true);
    } catch (error) {
      if (error.status === 0 && navigator.onLine === false) {
        throw error;
      }
      return this._redirect();
    }
    if (answer.status !== "ended") {
      return this._redirect(); // neither a cookie nor a fresh ID token came with the call
    }
    this._tellTabs("logout");
    this._end("sdk", OWN);
    return { ended: answer.ended, redirecting: false, receipts: answer.receipts || null };
  }

  /** Attaches the device that this page runs on to the user's account. */
  async attach(device) {
    const body = Object.assign({}, device);
    const leaveFor = body.redirect_urls && body.redirect_urls.logout_url;
    if (leaveFor) {
      body.redirect_urls = { logout_url: new URL(leaveFor, location.href).href };
    }
    const attached = await this._asUser("attach", "POST", "", body);
    this._logoutUrl = leaveFor || this._logoutUrl;
    return attached;
  }

  /** The devices that are attached to the user's account, the one that was seen last first. Needs the scope devices.read. */
  async devices() {
    return (await this._asUser("devices", "GET", "")).devices;
  }

  /**
   * Detaches a device, whose sessions end. Needs the scope devices.detach, and for another device than the page's own a login that is not older
   * than five minutes.
   */
  async detach(id) {
    await this._asUser("detach", "DELETE", "/" + encodeURIComponent(id));
  }

  // What is known

  _fire(type, detail) {
    for (const fn of (this._listeners[type] || []).slice()) {
      try {
        fn(detail);
      } catch (error) {
        setTimeout(() => {
          throw error; // as an error of the page's own, and without keeping it from the others
        });
      }
    }
  }

  _learn(status, by, message) {
    if (status === "ended") {
      this._end((message && message.reason) || "", by);
    } else if (status === "live" && this._status === "unknown") {
      this._status = "live";
      this._fire("statusChange", { status: "live", previous: "unknown" });
    }
    if (message && message.logout_url && !this._logoutUrl) {
      this._logoutUrl = message.logout_url; // said when the device was attached
    }
    if (status === "live" && message && message.auth_time) {
      const session = { sid: this._sid, authTime: message.auth_time };
      this._fire("sessionChange", { session: session, previous: { sid: this._sid } });
    }
  }

  // The three events of a logout, in this order, and then the page leaves.
  _end(reason, by) {
    if (this._status === "ended") {
      return;
    }
    const previous = this._status;
    this._status = "ended";
    let stays = false;
    const leaving = {
      reason: reason,
      by: by,
      logoutUrl: this._logoutUrl,
      preventDefault: () => {
        stays = true;
      },
    };
    this._fire("logout", leaving);
    this._fire("statusChange", { status: "ended", previous: previous });
    this._fire("sessionChange", { session: null, previous: { sid: this._sid } });
    this.close();
    if (this._logoutUrl && !stays) {
      location.replace(this._logoutUrl);
    }
  }

  // Other tabs

  _openChannel() {
    if (typeof BroadcastChannel === "undefined" || this._options.cookie) {
      return;
    }
    this._channel = new BroadcastChannel("exeunt " + this._issuer + " " + this._options.clientId);
    this._channel.onmessage = async (event) => {
      await this._idToken(); // its sid
      if (event.data && event.data.type === "logout" && event.data.sid === this._sid) {
        this._end("sdk", TAB);
      }
    };
  }

  _tellTabs(type) {
    if (this._channel) {
      this._channel.postMessage({ type: type, sid: this._sid });
    }
  }

  // Calls

  async _idToken() {
    const token = await value(this._options.idToken);
    if (token) {
      this._sid = sidOf(token);
    }
    return token || null;
  }

  async _asUser(what, method, path, body) {
    const token = await value(this._options.accessToken);
    if (!token) {
      throw new ExeuntError("refused", what + ": init got no accessToken");
    }
    return this._call("/api/devices" + path, body, false, token, method);
  }

  async _call(path, body, credentials, bearer, method) {
    const headers = {};
    if (body) {
      headers["Content-Type"] = "application/json";
    }
    if (bearer) {
      headers.Authorization = "Bearer " + bearer;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), OPEN_TIMEOUT);
    let response, answer;
    try {
      response = await fetch(this._issuer + path, {
        method: method || "POST",
        mode: "cors",
        credentials: credentials ? "include" : "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        headers: headers,
        body: body && JSON.stringify(body),
        signal: abort.signal,
      });
      answer = response.status === 204 ? null : await response.json();
    } catch (error) {
      throw new ExeuntError("unavailable", path + ": the provider cannot be reached, or the page's origin is not among the client's allowed_origins", response && response.status);
    } finally {
      clearTimeout(timer);
    }
    if (!response.ok) {
      const temporary = response.status >= 500 || response.status === 429;
      throw new ExeuntError(temporary ? "unavailable" : "refused", path + ": " + (answer.error_description || answer.error || response.status), response.status);
    }
    return answer;
  }

  _redirect() {
    const query = new URLSearchParams({ client_id: this._options.clientId });
    if (this._options.redirectUri) {
      query.set("redirect_uri", this._options.redirectUri);
    }
    if (this._options.state) {
      query.set("state", this._options.state);
    }
    this.close();
    location.assign(this._issuer + "/logout?" + query);
    return { ended: false, redirecting: true, receipts: null };
  }

  // The connection

  async _watch() {
    const transports = this._options.transports || ["websocket", "sse", "polling"];
    while (!this._closed) {
      try {
        await this._connect(transports);
      } catch (error) {
        if (error.code === "refused") {
          this._fire("error", error); // asking again would not help
          return;
        }
        this._fails++;
      }
      if (!this._closed) {
        const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * Math.pow(2, this._fails));
        await this._sleep(this._fails === 0 ? Math.random() * SPREAD : wait / 2 + (Math.random() * wait) / 2);
      }
    }
  }

  async _connect(transports) {
    const transport = transports[this._transport % transports.length];
    if (transport === "polling") {
      return this._poll();
    }
    const ticket = await this._ticket();
    if (this._closed) {
      return;
    }
    if (ticket === null) { // nobody is signed in
      await this._sleep(this._interval());
      return;
    }
    const open = transport === "sse" ? openEvents : openSocket;
    const connected = await this._listen(open, ticket);
    if (connected) {
      this._fails = this._transport = 0;
    } else {
      this._fails++;
      this._transport++; // the provider has just given a ticket: it is this way that does not get through
    }
  }

  async _ticket() {
    if (this._options.cookie) {
      return "";
    }
    const idToken = await this._idToken();
    if (!idToken) {
      return null;
    }
    const answer = await this._call("/api/realtime/ticket", { client_id: this._options.clientId, id_token: idToken });
    if (answer.status === "ended") {
      this._end("", PROVIDER);
    }
    return answer.ticket;
  }

  async _poll() {
    for (let i = 0; i < POLLS && !this._closed; i++) {
      await this.status();
      this._fails = 0;
      if (!this._closed) {
        await this._sleep(this._interval());
      }
    }
    this._transport++;
  }

  _interval() {
    return this._options.pollInterval || 30000;
  }

  // Listens until the connection is over; reports whether there was one.
  _listen(open, ticket) {
    return new Promise((resolve) => {
      let connected = false;
      let over = false;
      let connection = null;
      const finish = () => {
        if (over) {
          return;
        }
        over = true;
        clearTimeout(timer);
        this._abort = null;
        if (connection) {
          connection.close();
        }
        resolve(connected);
      };
      let timer = setTimeout(finish, OPEN_TIMEOUT);
      this._heard = Date.now();
      this._patience = OPEN_TIMEOUT;
      const heard = (frame) => {
        if (over) {
          return;
        }
        this._heard = Date.now();
        if (frame.connect) {
          connected = true;
          this._patience = (frame.connect.ping || 25) * 1000 + SILENCE;
        } else if (frame.error || (frame.push && frame.push.disconnect)) {
          if (frame.push) {
            ended(frame.push.disconnect.code);
          }
          finish();
          return;
        } else if (frame.push && frame.push.message) {
          const message = frame.push.message.data;
          if (message && message.type === "session") {
            this._learn(message.status, PROVIDER, message);
          }
        } else if (!frame.push && !frame.id) {
          connection.pong();
        }
        clearTimeout(timer);
        timer = setTimeout(finish, connected ? this._patience : OPEN_TIMEOUT);
      };
      const ended = (code) => {
        if (code === 4500) {
          this._learn("ended", PROVIDER);
        }
      };
      this._abort = finish;
      try {
        connection = open(this._issuer, { id: 1, connect: ticket ? { token: ticket } : {} }, heard, finish, ended);
      } catch (error) {
        finish(); // the page's own policy forbids it
      }
    });
  }

  // A page that has slept does not wait until it notices.
  _wake(event) {
    if (event.type === "visibilitychange" && document.visibilityState !== "visible") {
      return;
    }
    if (this._abort && (event.type === "online" || Date.now() - this._heard > this._patience)) {
      this._abort();
    }
    this._fails = 0;
    this._rouse();
  }

  _rouse() {
    if (this._waker) {
      this._waker();
    }
  }

  _sleep(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this._waker = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function openSocket(issuer, connect, heard, lost, ended) {
  const socket = new WebSocket(issuer.replace(/^http/, "ws") + "/api/realtime/websocket");
  socket.onopen = () => socket.send(JSON.stringify(connect));
  socket.onmessage = (event) => frames(event.data).forEach(heard);
  socket.onclose = (event) => {
    ended(event.code);
    lost();
  };
  socket.onerror = () => {};
  return {
    pong: () => socket.send("{}"),
    close: () => socket.close(),
  };
}

function openEvents(issuer, connect, heard, lost) {
  const source = new EventSource(issuer + "/api/realtime/sse?cf_connect=" + encodeURIComponent(JSON.stringify(connect)));
  source.onmessage = (event) => frames(event.data).forEach(heard);
  source.onerror = lost; // it would come back by itself, with a ticket that was used
  return { pong: () => {}, close: () => source.close() };
}

// One message may hold several frames, one in each line.
function frames(text) {
  const all = [];
  for (const line of text.split("\n")) {
    try {
      if (line) {
        all.push(JSON.parse(line));
      }
    } catch (error) {
      // not a frame: a proxy's words
    }
  }
  return all;
}

async function value(source) {
  return typeof source === "function" ? source() : source;
}

// The sid of an ID token, unverified: it only tells tabs of one session from those of another.
function sidOf(token) {
  try {
    const payload = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(payload)).sid || null;
  } catch (error) {
    return null;
  }
}
