package rp

import (
	_ "embed"
	"fmt"
	"net/http"
	"time"
)

const (
	// livePoll is how often an open tab's session is looked up in the store, by
	// which the instances of an application hear of each other's logouts.
	livePoll = time.Second
	// liveBeat is how often something is written to an open tab, so that
	// connections that nobody holds any more are noticed.
	liveBeat = 15 * time.Second
	// liveWrite is how long one write to a tab may take.
	liveWrite = 10 * time.Second
)

//go:embed live.js
var liveJS []byte

// script serves one of the kit's scripts.
func script(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(content) // a browser that does not read it has gone
	}
}

// Live tells an open tab when its session ends, by server-sent events: one
// event "ended", at once if this instance learns of it, within a second if
// another one does. A page opens it with the script live.js of the kit's
// addresses. A browser without a session is answered 204, which ends its
// attempts.
func (k *Kit) Live(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")

	// 1. Of the same origin: who is logged in here is nobody else's business.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		w.WriteHeader(http.StatusForbidden)
		return
	}

	// 2. A session, or none.
	cookie := k.sessionCookie(r)
	if cookie == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	found, err := k.live(r.Context(), cookie)
	if err != nil {
		k.problem(w, r, unavailable(err))
		return
	}
	if found == nil {
		k.dropCookie(w, k.cookieName("session"))
	}

	// 3. The stream. The server's timeouts are for answers that end.
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep it
	stream := http.NewResponseController(w)
	send := func(text string) bool {
		_ = stream.SetWriteDeadline(time.Now().Add(liveWrite)) // not every ResponseWriter can
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return stream.Flush() == nil
	}
	const ended = "event: ended\ndata: {}\n\n"
	if found == nil {
		send(ended)
		return
	}
	open := k.tabs.add(sessionKey(cookie), endedKey(found.Issuer, "", found.SID), endedKey(found.Issuer, found.Subject, ""))
	if open == nil {
		h.Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer k.tabs.remove(open)
	if !send("retry: 2000\n\n") {
		return
	}

	// 4. Until something happens. The first look comes at once: a logout may have
	// come between step 2 and the tab's being told.
	poll, beat := time.NewTicker(livePoll), time.NewTicker(liveBeat)
	defer poll.Stop()
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-k.tabs.closed:
			return
		case <-beat.C:
			if !send(": still here\n\n") {
				return
			}
		case <-open.told:
		case <-poll.C:
		}
		// A store that fails for a moment is no logout; the next look will tell.
		if found, err := k.live(r.Context(), cookie); err == nil && found == nil {
			send(ended)
			return
		}
	}
}

// Close lets go of the open tabs, which come back to another instance. Give it
// to http.Server.RegisterOnShutdown: a server otherwise waits for them.
func (k *Kit) Close() { k.tabs.once.Do(func() { close(k.tabs.closed) }) }
