package rp

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// FrontchannelLogout is the page to register as frontchannel_logout_uri, with
// frontchannel_logout_session_required: true (Front-Channel Logout 1.0, 2). The
// provider embeds it in its own page, in a frame.
//
// Browsers keep our SameSite=Lax cookie from a frame on another site, and many
// keep every cookie from it. That does no harm here: iss and sid say which
// session ends, and it ends by its sid, without a cookie. Nobody but provider
// and application knows a sid, a request ends that session only, and one whose
// sid this application has not seen ends nothing. Without iss and sid only the
// cookie could say whose session is meant; if the browser sends it, that
// session ends.
func (k *Kit) FrontchannelLogout(w http.ResponseWriter, r *http.Request) {
	// 1. Never cached, or the next logout would not arrive (section 2); and
	// shown in frames of the provider alone.
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors "+strings.Join(k.frameAncestors(), " "))
	if r.Method != http.MethodGet {
		h.Set("Allow", http.MethodGet)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}

	// 2. Whose session: iss and sid, both or neither (section 2).
	query := r.URL.Query()
	iss, sid := query["iss"], query["sid"]
	var err error
	switch {
	case len(iss) == 0 && len(sid) == 0:
		err = k.endFramed(w, r)
	case len(iss) != 1 || len(sid) != 1 || sid[0] == "":
		http.Error(w, "iss and sid must both be there, once.", http.StatusBadRequest)
		return
	case iss[0] != k.cfg.Issuer:
		http.Error(w, "iss is not the provider of this application.", http.StatusBadRequest)
		return
	default:
		err = k.endSID(r, sid[0])
	}
	if err != nil {
		k.problem(w, r, unavailable(err))
		return
	}

	// 3. The answer is the same whether there was a session or not.
	h.Set("Content-Type", "text/html; charset=utf-8")
	if _, err := fmt.Fprint(w, "<!doctype html><title>Signed out</title>"); err != nil {
		k.cfg.Logger.DebugContext(r.Context(), "rp: the browser did not read the page", "error", err)
	}
}

// endSID ends the session with that sid, if this application has had one.
func (k *Kit) endSID(r *http.Request, sid string) error {
	_, found, err := k.endings.store.Get(r.Context(), sidKey(k.cfg.Issuer, sid))
	if err != nil || !found {
		return err
	}
	return k.end(r.Context(), Ending{Issuer: k.cfg.Issuer, SID: sid, At: k.cfg.Now().UTC()})
}

// endFramed ends the session of the cookie, if the browser sent one to a frame:
// a link must not log people out.
func (k *Kit) endFramed(w http.ResponseWriter, r *http.Request) error {
	cookie := k.sessionCookie(r)
	if dest := r.Header.Get("Sec-Fetch-Dest"); cookie == "" || dest != "" && dest != "iframe" && dest != "frame" {
		return nil
	}
	return k.endHere(w, r, cookie)
}

// frameAncestors returns the provider's origins, as far as they are known.
func (k *Kit) frameAncestors() []string {
	addresses := []string{k.cfg.Issuer}
	if document := k.discovery.known(); document != nil {
		addresses = append(addresses, document.EndSessionEndpoint, document.AuthorizationEndpoint)
	}
	return origins(addresses...)
}

// origins returns the distinct origins of URLs.
func origins(addresses ...string) (all []string) {
	seen := map[string]bool{}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			continue
		}
		if origin := u.Scheme + "://" + u.Host; !seen[origin] {
			seen[origin] = true
			all = append(all, origin)
		}
	}
	return all
}
