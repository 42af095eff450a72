package doctor_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/doctor"
	"github.com/exeunt-id/exeunt/rp"
)

// serveKit starts an application built with the kit, which a test may bend.
func serveKit(t *testing.T, issuer string, change func(*rp.Config), wrap func(kit *rp.Kit, next http.Handler) http.Handler) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	address = "http://" + server.Listener.Addr().String()
	cfg := rp.Config{Issuer: issuer, ClientID: "shop", ClientSecret: "s3cret+/%", BaseURL: address}
	if change != nil {
		change(&cfg)
	}
	kit, err := rp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", kit)
	mux.Handle("/page", kit.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") })))
	server.Config.Handler = mux
	if wrap != nil {
		server.Config.Handler = wrap(kit, mux)
	}
	server.Start()
	t.Cleanup(server.Close)
	return address
}

func driveAt(t *testing.T, provider *doctor.Provider, address string) *doctor.Report {
	t.Helper()
	report, err := doctor.Drive(t.Context(), provider, doctor.DriveConfig{
		Backchannel: address + "/auth/backchannel-logout", Login: address + "/auth/login", Page: address + "/page", Logout: address + "/auth/logout",
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// A real session at the kit: nothing wrong.
func TestDriveKit(t *testing.T) {
	provider, issuer := serveProvider(t)
	report := driveAt(t, provider, serveKit(t, issuer, nil, nil))
	names := make([]string, len(report.Findings))
	for i, f := range report.Findings {
		names[i] = f.Name
	}
	for _, name := range []string{"login", "bad-tokens-end-nothing", "other-sessions-live", "session-ends", "sub-ends-all", "overtaken", "rp-initiated", "good", "alg-none"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s was not looked at", name)
		}
	}
	if got := odd(report); len(got) != 0 {
		var text bytes.Buffer
		_, _ = report.WriteTo(&text)
		t.Errorf("found %q\n%s", got, text.String())
	}
}

// forgetful loses what the kit remembers under keys that begin so.
type forgetful struct {
	*rp.MemoryStore
	prefix string
}

func (f forgetful) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if strings.HasPrefix(key, f.prefix) {
		return nil, false, nil
	}
	return f.MemoryStore.Get(ctx, key)
}

// Faults that show in a session alone.
func TestDriveFindsFaults(t *testing.T) {
	at := func(path string, handler http.HandlerFunc) func(*rp.Kit, http.Handler) http.Handler {
		return func(_ *rp.Kit, next http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle(path, handler)
			mux.Handle("/", next)
			return mux
		}
	}
	for fault, test := range map[string]struct {
		change func(*rp.Config)
		wrap   func(*rp.Kit, http.Handler) http.Handler
		want   []string
	}{
		"ends nothing": {
			change: func(cfg *rp.Config) { cfg.Store = forgetful{rp.NewMemoryStore(0, nil), "ended:"} },
			want:   []string{"fail session-ends", "warn sub-ends-all", "warn overtaken"},
		},
		"shows the page to everybody": {
			wrap: at("/page", func(w http.ResponseWriter, _ *http.Request) {}), want: []string{"fail login"},
		},
		"logs nobody in": {
			wrap: at("/auth/login", func(w http.ResponseWriter, _ *http.Request) {}), want: []string{"fail login"},
		},
		"has another secret": {
			change: func(cfg *rp.Config) { cfg.ClientSecret = "wrong" }, want: []string{"fail login"},
		},
		"logs out here only": {
			wrap: at("/auth/logout", func(w http.ResponseWriter, _ *http.Request) {}), want: []string{"fail rp-initiated"},
		},
		"sends no hint": {
			wrap: func(_ *rp.Kit, next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/auth/logout" {
						next.ServeHTTP(w, r)
						return
					}
					recorder := httptest.NewRecorder()
					next.ServeHTTP(recorder, r)
					for name, values := range recorder.Header() {
						w.Header()[name] = values
					}
					address, _, _ := strings.Cut(recorder.Header().Get("Location"), "?")
					w.Header().Set("Location", address+"?post_logout_redirect_uri=http%3A%2F%2F127.0.0.1:1%2F&state=x")
					w.WriteHeader(recorder.Code)
				})
			},
			want: []string{"fail rp-initiated"},
		},
	} {
		t.Run(fault, func(t *testing.T) {
			provider, issuer := serveProvider(t)
			if got := odd(driveAt(t, provider, serveKit(t, issuer, test.change, test.wrap))); !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
	// An endpoint that ends sessions before it looks, and one that ends everybody's.
	for fault, want := range map[string]string{"ends before it looks": "fail bad-tokens-end-nothing", "ends everybody": "fail other-sessions-live"} {
		t.Run(fault, func(t *testing.T) {
			provider, issuer := serveProvider(t)
			store := rp.NewMemoryStore(0, nil)
			over := false
			address := serveKit(t, issuer, func(cfg *rp.Config) { cfg.Store = store }, func(_ *rp.Kit, next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					recorder := httptest.NewRecorder()
					if r.URL.Path == "/auth/backchannel-logout" {
						next.ServeHTTP(recorder, r)
						over = over || fault == "ends before it looks" || recorder.Code == http.StatusOK
						for name, values := range recorder.Header() {
							w.Header()[name] = values
						}
						w.WriteHeader(recorder.Code)
						_, _ = w.Write(recorder.Body.Bytes())
						return
					}
					if r.URL.Path == "/page" && over {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			if got := odd(driveAt(t, provider, address)); !slices.Contains(got, want) {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

func TestDriveNamesTheField(t *testing.T) {
	if _, err := doctor.Drive(t.Context(), physician(), doctor.DriveConfig{Backchannel: "http://127.0.0.1:1/", Login: "/login", Page: "http://127.0.0.1:1/"}); err == nil || !strings.Contains(err.Error(), "DriveConfig.Login") {
		t.Errorf("got error %v", err)
	}
}
