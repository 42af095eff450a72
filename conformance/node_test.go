package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// npmInstall puts openid-client, as its lock file says, into a new directory. Where node, npm or the registry cannot be had the test is
// skipped loudly, or fails if EXEUNT_TEST_REQUIRE is set, as it is in CI.
func npmInstall(t *testing.T) string {
	t.Helper()
	missing := func(reason string) {
		t.Helper()
		if os.Getenv("EXEUNT_TEST_REQUIRE") != "" {
			t.Fatalf("%s, and EXEUNT_TEST_REQUIRE is set", reason)
		}
		t.Skipf("************ NOT TESTED WITH openid-client: %s ************", reason)
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(tool + " is not installed")
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "driver.mjs"} {
		content, err := os.ReadFile(filepath.Join("openid-client", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if output, err := install.CombinedOutput(); err != nil {
		missing("npm ci failed: " + string(output))
	}
	return dir
}

// openid-client from npm: login by query and by form post, refresh, userinfo, introspection, revocation, logout, logout token.
func TestRelyingParty_OpenIDClient(t *testing.T) {
	dir := npmInstall(t)
	for client, with := range map[string][2]string{
		"shop": {"client_secret_basic", "RS256"}, "wiki": {"client_secret_basic", "ES256"}, "mail": {"client_secret_post", "EdDSA"}, "app": {"none", "RS256"},
	} {
		t.Run(client, func(t *testing.T) {
			w := openAlone(t)
			config, err := json.Marshal(map[string]string{
				"issuer": w.issuer, "clientId": client, "clientSecret": secret, "method": with[0], "alg": with[1], "redirectUri": callback(client), "postLogoutUri": bye(client),
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			node := exec.CommandContext(ctx, "node", "driver.mjs", string(config)) //nolint:gosec // our own driver
			node.Dir = dir
			var complaints bytes.Buffer
			node.Stderr = &complaints
			in, err := node.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := node.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := node.Start(); err != nil {
				t.Fatal(err)
			}
			done := w.serveDriver(client, in, bufio.NewScanner(out))
			if err := node.Wait(); err != nil || !done {
				t.Errorf("openid-client: %v\n%s", err, complaints.String())
			}
		})
	}
}

// serveDriver is the browser of the driver, until it says that it is done.
func (w *world) serveDriver(client string, in io.WriteCloser, out *bufio.Scanner) bool {
	w.Helper()
	alice := w.browser()
	for out.Scan() {
		var request struct {
			Browse, LogoutToken string
			Done                bool
		}
		if err := json.Unmarshal(out.Bytes(), &request); err != nil {
			w.Errorf("%v: %s", err, out.Text())
			return false
		}
		answer := map[string]string{}
		switch {
		case request.Done:
			return true
		case request.Browse != "":
			answer["to"], answer["body"] = alice.follow(request.Browse)
		default:
			answer["token"] = w.logoutToken(client, request.LogoutToken)
		}
		if err := json.NewEncoder(in).Encode(answer); err != nil {
			return false // it ended; what it says on stderr is shown
		}
	}
	return false
}
