package rp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// npmInstall puts what a folder's lock file says into a new directory, once for the test binary. Where node, npm or the registry cannot be
// had the test is skipped loudly, or fails if EXEUNT_TEST_REQUIRE is set, as it is in CI.
func npmInstall(t *testing.T, folder string, files ...string) string {
	t.Helper()
	missing := func(reason string) {
		t.Helper()
		if os.Getenv("EXEUNT_TEST_REQUIRE") != "" {
			t.Fatalf("%s, and EXEUNT_TEST_REQUIRE is set", reason)
		}
		t.Skipf("************ NOT TESTED WITH %s: %s ************", folder, reason)
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(tool + " is not installed")
		}
	}
	dir := t.TempDir()
	for _, name := range append([]string{"package.json", "package-lock.json"}, files...) {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if output, err := install.CombinedOutput(); err != nil {
		missing("npm ci failed: " + string(output))
	}
	return dir
}

// startNode starts a script that prints its address when it is ready and ends with its input, and returns that address.
func startNode(t *testing.T, dir, script string, argument object) string {
	t.Helper()
	config, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", script, string(config)) //nolint:gosec // our own script
	node.Dir = dir
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints lockedBuilder
	node.Stderr = &complaints
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends with its input
		_ = node.Wait()
		if t.Failed() {
			t.Log(complaints.String())
		}
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal(script + " did not start: " + complaints.String())
	}
	return lines.Text()
}

type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// node-oidc-provider from npm: login, RP-initiated logout, and the logout token that it sends, with a sid and without one.
func TestNodeOIDCProvider(t *testing.T) {
	dir := npmInstall(t, "testdata/oidc-provider", "server.mjs")
	for name, test := range map[string]struct {
		withSID bool
		method  string
	}{"with sid, Basic": {true, rp.AuthBasic}, "without sid, POST": {false, rp.AuthPost}} {
		t.Run(name, func(t *testing.T) {
			app := newGuest(t)
			client := object{
				"client_id": "shop", "client_secret": "a secret: with+/% in it", "redirect_uris": []string{app.URL + "/auth/callback"},
				"post_logout_redirect_uris": []string{app.URL + "/auth/logged-out"}, "token_endpoint_auth_method": test.method,
				"backchannel_logout_uri": app.URL + "/auth/backchannel-logout", "backchannel_logout_session_required": test.withSID,
			}
			issuer := startNode(t, dir, "server.mjs", client)
			app.settle(t, rp.Config{Issuer: issuer, ClientID: "shop", ClientSecret: "a secret: with+/% in it", AuthMethod: test.method})

			// Two browsers of one person.
			alice, phone := newBrowser(t), newBrowser(t)
			for _, b := range []*browser{alice, phone} {
				consent := b.submit(b.get(app.URL+"/page"), map[string]string{"login": "alice", "password": "x"})
				b.submit(consent, nil).want(t, 200, "alice Alice Doe")
			}
			if got := alice.get(app.URL + "/"); (strings.TrimSpace(got.body) != "alice Alice Doe") != test.withSID {
				t.Errorf("the application shows %q", got.body)
			}

			// The provider asks, and sends its logout token before it sends the browser back.
			question := alice.do(http.MethodPost, app.URL+"/auth/logout", nil)
			back := alice.submit(question, map[string]string{"logout": "yes"})
			back.want(t, 200, "nobody")
			if back.at.String() != app.URL+"/" {
				t.Errorf("the browser arrived at %s", back.at)
			}
			for deadline := time.Now().Add(15 * time.Second); app.told.Load() == 0; {
				if time.Now().After(deadline) {
					t.Fatal("no logout token within 15 seconds")
				}
				alice.get(app.URL + "/")
			}
			phones := "nobody" // a token without sid means all of the person's sessions here
			if test.withSID {
				phones = "alice"
			}
			phone.want(app.URL+"/", 200, phones)

			// The provider's own session has ended: somebody must log in again.
			if again := alice.get(app.URL + "/page"); !strings.HasPrefix(again.at.String(), issuer) {
				t.Errorf("after the logout the page is at %s: %s", again.at, again.body)
			}
		})
	}
}
