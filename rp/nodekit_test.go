package rp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/exeunt-id/exeunt/doctor"
)

// The kit for Node: its own tests, its types, and the doctor's examination of both kinds of server.
func TestNodeKit(t *testing.T) {
	var files []string
	for _, pattern := range []string{"src/*", "test/*"} {
		found, err := filepath.Glob(filepath.Join("node", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range found {
			files = append(files, filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file)))
		}
	}
	dir := npmInstall(t, "node", files...)
	for name, args := range map[string][]string{
		"tests": {"node", "--test", "test/kit.test.js", "test/api.test.js", "test/frame.test.js"}, "types": {"npm", "run", "-s", "types"},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), args[0], args[1:]...) //nolint:gosec // our own
			command.Dir = dir
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
	for _, style := range []string{"express", "fetch"} {
		t.Run(style, func(t *testing.T) {
			server := httptest.NewUnstartedServer(nil)
			issuer := "http://" + server.Listener.Addr().String()
			provider, err := doctor.NewProvider(doctor.ProviderConfig{Issuer: issuer, ClientID: "shop", ClientSecret: "secret"})
			if err != nil {
				t.Fatal(err)
			}
			server.Config.Handler = provider
			server.Start()
			t.Cleanup(server.Close)
			app := startNode(t, dir, filepath.Join(dir, "test", "app.mjs"), object{"style": style, "issuer": issuer})
			report, err := doctor.Drive(t.Context(), provider, doctor.DriveConfig{
				Backchannel: app + "/auth/backchannel-logout", Login: app + "/auth/login", Page: app + "/page", Logout: app + "/auth/logout",
			})
			if err != nil {
				t.Fatal(err)
			}
			var odd []string
			for _, f := range report.Findings {
				if f.Verdict != doctor.Pass && f.Name != "time" { // how fast a loaded machine is says nothing here
					odd = append(odd, f.Name)
				}
			}
			if len(odd) > 0 || !slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool { return f.Name == "overtaken" }) {
				var text bytes.Buffer
				_, _ = report.WriteTo(&text)
				t.Errorf("found %q\n%s", odd, text.String())
			}
		})
	}
}

// Each script for browsers is one; the package for Node has copies because npm publishes its folder alone.
func TestNodeKitScript(t *testing.T) {
	for _, name := range []string{"live", "session"} {
		ours, err1 := os.ReadFile(name + ".js")
		theirs, err2 := os.ReadFile("node/src/" + name + ".browser.js")
		if err1 != nil || err2 != nil || !bytes.Equal(ours, theirs) {
			t.Errorf("rp/%[1]s.js and rp/node/src/%[1]s.browser.js differ: %[2]v, %[3]v; copy the first over the second", name, err1, err2)
		}
	}
	var manifest struct{ Dependencies map[string]string }
	content, err := os.ReadFile("node/package.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &manifest); err != nil || len(manifest.Dependencies) != 2 {
		t.Errorf("dependencies %v, %v; want jose and openid-client", manifest.Dependencies, err)
	}
}

// Pages get the same scripts from both kits, which are published apart.
func TestNodeKitScripts(t *testing.T) {
	for ours, theirs := range map[string]string{"live.js": "live.browser.js", "session.js": "session.browser.js"} {
		a, err1 := os.ReadFile(ours)
		b, err2 := os.ReadFile(filepath.Join("node", "src", theirs))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s and %s differ", ours, theirs)
		}
	}
}
