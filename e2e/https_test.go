package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// house is a provider and relying parties that all speak https, each on a site of its own: what frames of other sites may do, browsers
// decide by that.
type house struct {
	*driver.Process
	issuer string
	rps    string // port of the relying parties, which are told apart by their names
}

// origin of a relying party.
func (h *house) origin(name string) string { return "https://" + name + ".localhost:" + h.rps }

// newHouse starts a provider behind a proxy that terminates TLS, its issuer with a path or with "". clients are made when all addresses are
// known; rp serves every relying party.
func newHouse(t *testing.T, path string, clients func(h *house) []map[string]any, rp http.HandlerFunc) *house {
	t.Helper()
	port, err := driver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	h.issuer = "https://id.localhost:" + serveTLS(t, proxy) + path
	h.rps = serveTLS(t, rp)
	h.Process, err = driver.Start(t.Context(), driver.Setup{
		Binary: binary, Dir: t.TempDir(), Database: databasetest.SQLiteURL(t), Users: 1, Port: port, Registered: clients(h), Extra: map[string]any{"issuer": h.issuer},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Kill(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// serveTLS returns the port.
func serveTLS(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // browsers hang up in the middle of handshakes
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// registration of a relying party that is told through no channel unless more says so.
func (h *house) registration(name string, more map[string]any) map[string]any {
	r := map[string]any{
		"client_id": name, "client_secret": "a-secret-of-" + name + "-0123456789abcdef", "client_name": "The " + name, "skip_consent": true,
		"redirect_uris": []string{h.origin(name) + "/callback"}, "post_logout_redirect_uris": []string{h.origin(name) + "/bye"},
	}
	for key, value := range more {
		r[key] = value
	}
	return r
}

// cookiesInFrames lets frames of other sites use their cookies, which some builds of Chromium forbid unless they are told otherwise.
const cookiesInFrames = `"cookie_controls_mode":0,"block_third_party_cookies":false`

// profile makes Chromium take the certificates of these tests, and start with preferences: members of the JSON object "profile".
func profile(t *testing.T, preferences ...string) []chromedp.ExecAllocatorOption {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := `{"profile":{` + strings.Join(preferences, ",") + `}}`
	if err := os.WriteFile(filepath.Join(dir, "Default", "Preferences"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []chromedp.ExecAllocatorOption{chromedp.Flag("ignore-certificate-errors", true), chromedp.UserDataDir(dir)}
}

// authorize is the address where a relying party sends the browser.
func (h *house) authorize(name string) string {
	return h.issuer + "/authorize?" + url.Values{
		"client_id": {name}, "redirect_uri": {h.origin(name) + "/callback"}, "response_type": {"code"}, "scope": {"openid"},
	}.Encode()
}
