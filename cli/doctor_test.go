package cli_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/rp"
)

// application is an app built with the kit. Its provider listens at address, whatever the issuer.
func application(t *testing.T, issuer, clientID, address string, secure bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	kit, err := rp.New(rp.Config{
		Issuer: issuer, ClientID: clientID, ClientSecret: "a-secret-that-is-long-enough-for-this", BaseURL: "http://" + server.Listener.Addr().String(),
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", kit)
	mux.Handle("/page", kit.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") })))
	server.Config.Handler = mux
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

const doctorClient = `clients:
  - client_id: shop
    client_secret: a-secret-that-is-long-enough-for-this
    redirect_uris: [%[1]s/auth/callback]
    backchannel_logout_uri: %[1]s/auth/backchannel-logout
  - client_id: mute
    client_secret: a-secret-that-is-long-enough-for-this
    redirect_uris: [%[1]s/auth/callback]
`

// The provider's own keys, from its database, against an app that trusts the running provider.
func TestDoctorClient(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := listener.Addr().String()
		if err := listener.Close(); err != nil { // a free port for the provider
			t.Fatal(err)
		}
		app := application(t, "http://localhost:8080", "shop", at, false)
		file := write(t, "exeunt.yaml", fmt.Sprintf("issuer: http://localhost:8080\nlisten: %q\ndatabase: %q\n", at, url)+fmt.Sprintf(doctorClient, app.URL))
		start(t, "serve", "--config", file).ready(t)

		run(t, nil, "doctor", "--strict", "--client", "shop", "--config", file).check(t, 0,
			[]string{"VERDICT", "pass     good", "pass     wrong-alg", "pass     replay", " 0 failed, 0 warnings, 0 unproven, 0 not tested"}, nil)

		// An app that lets everything pass fails by name, and with exit code 1.
		careless := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		t.Cleanup(careless.Close)
		run(t, nil, "doctor", "--client", "shop", "--config", file, careless.URL).check(t, 1,
			[]string{"FAIL: alg-none", "Never accept alg none", "FAIL: wrong-aud", "WARN: cache"}, []string{"checks failed"})
		r := run(t, nil, "doctor", "--json", "--client", "shop", "--config", file, careless.URL)
		var report struct {
			URL      string
			Findings []struct{ Name, Verdict, Advice, Section string }
		}
		if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 1 || report.URL != careless.URL || len(report.Findings) < 30 {
			t.Errorf("exit code %d, %v, %+v", r.code, err, report)
		}
		run(t, nil, "doctor", "--client", "shoe", "--config", file).check(t, 1, nil, []string{"there is no client shoe", "exeunt client list"})
		run(t, nil, "doctor", "--client", "mute", "--config", file).check(t, 1, nil, []string{"mute has no backchannel_logout_uri"})
	})
}

func TestDoctorWithoutKeys(t *testing.T) {
	app := application(t, "https://id.example.com", "shop", "127.0.0.1:1", true)
	certificate := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: app.Certificate().Raw})))
	// Its provider is out of reach, so that what must be looked up there gets a 503, and that is said.
	run(t, nil, "doctor", "--ca-file", certificate, app.URL+"/auth/backchannel-logout").check(t, 1,
		[]string{"pass        alg-none", "not tested  good", "Give --client and --config", "pass        tls", "TLS 1.3, valid until"}, []string{"failed"})
	run(t, nil, "doctor", app.URL+"/auth/backchannel-logout").check(t, 1, []string{"FAIL: tls", "certificate"}, []string{"failed"})
}

// A browser that logs in at the app, by the doctor's own provider.
func TestDoctorServe(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	app := application(t, "http://"+at, "doctor", at, false)
	endpoint := app.URL + "/auth/backchannel-logout"
	run(t, nil, "doctor", "--serve", "--strict", "--listen", at, "--login", app.URL+"/auth/login", "--page", app.URL+"/page", "--logout", app.URL+"/auth/logout", endpoint).
		check(t, 0, []string{"pass     session-ends", "pass     overtaken", "pass     rp-initiated", "0 not tested"}, []string{"issuer http://" + at, "client_id doctor"})

	// By hand, at a fresh app: the other one knows the keys of a doctor that has gone.
	app = application(t, "http://"+at, "doctor", at, false)
	endpoint = app.URL + "/auth/backchannel-logout"
	by := start(t, "doctor", "--serve", "--listen", at, "--json", endpoint)
	by.stderr.line(t, "Log in at the app now")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	for _, path := range []string{"/auth/login", "/page"} {
		res, err := browser.Get(app.URL + path) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if line := by.stdout.line(t, `"session-ends"`); !strings.Contains(line, `"name":"session-ends","verdict":"pass"`) || strings.Contains(line, `"fail"`) {
		t.Errorf("report %s", line)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.URL+"/page", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the examination the page answers %d, %v", res.StatusCode, err)
	}
}

func TestDoctorUsage(t *testing.T) {
	for args, want := range map[string]string{
		"":                                   "give the URL",
		"a b":                                "one URL at a time",
		"--config x.yaml http://app/":        "--config is for --client",
		"--page http://app/ http://app/":     "belong to --serve",
		"--serve":                            "give the URL",
		"--serve --login http://a http://b":  "--login and --page belong together",
		"--serve --logout http://a http://b": "--logout needs",
		"--serve --config x http://b":        "no --config",
	} {
		run(t, nil, append([]string{"doctor"}, strings.Fields(args)...)...).check(t, 2, nil, []string{want})
	}
	run(t, nil, "doctor", "app.example.com/logout").check(t, 1, nil, []string{"give an absolute http or https URL"})
	run(t, nil, "doctor", "--ca-file", "nowhere.pem", "https://app.example.com/").check(t, 1, nil, []string{"--ca-file", "nowhere.pem"})
	run(t, nil, "doctor", "--ca-file", write(t, "ca.pem", "no certificate"), "https://app.example.com/").check(t, 1, nil, []string{"has no PEM certificate"})
}
