package doctor_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/doctor"
	"github.com/exeunt-id/exeunt/rp"
)

// odd returns the findings that are not passes, as "verdict name".
func odd(report *doctor.Report) []string {
	var all []string
	for _, f := range report.Findings {
		if f.Verdict != doctor.Pass {
			all = append(all, string(f.Verdict)+" "+f.Name)
		}
	}
	return all
}

func examine(t *testing.T, cfg doctor.Config) *doctor.Report {
	t.Helper()
	report, err := doctor.Examine(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Verdict != doctor.Pass && f.Advice == "" || f.Sent == "" || f.Expected == "" || f.Section == "" {
			t.Errorf("nobody can act on %+v", f)
		}
	}
	return report
}

// Each fault is found by its name, and nothing else.
func TestExamineFindsFaults(t *testing.T) {
	for fault, want := range map[string][]string{
		"none": nil,

		"accepts alg none":                 {"fail alg-none"},
		"confuses algorithms":              {"fail alg-hs256"},
		"accepts any alg":                  {"fail wrong-alg"},
		"verifies no signature":            {"fail wrong-key", "fail unknown-kid", "fail tampered"},
		"trusts unknown keys":              {"fail unknown-kid"},
		"does not check iss":               {"fail wrong-iss"},
		"does not check aud":               {"fail wrong-aud"},
		"does not check events":            {"fail no-event"},
		"does not check the event":         {"fail wrong-event"},
		"does not check the event's value": {"warn event-not-object"},
		"does not check nonce":             {"fail nonce"},
		"takes ID tokens":                  {"fail id-token"},
		"does not check exp":               {"fail expired"},
		"does not check that exp is there": {"warn no-exp"},
		"does not check the future":        {"warn future"},
		"does not check that iat is there": {"warn no-iat"},
		"does not check jti":               {"warn no-jti"},
		"does not check sub and sid":       {"fail no-sub-sid"},
		"does not check typ":               {"warn wrong-typ"},
		"does not check replays":           {"warn replay"},
		"takes nothing for a logout":       {"fail no-token", "fail empty", "warn query"},
		"accepts JSON":                     {"fail json"},
		"reads the query":                  {"warn query"},
		"accepts GET":                      {"fail get"},
		"reads everything":                 {"fail huge"},

		"refuses unknown sessions": {"fail good", "fail idempotent", "fail aud-list", "warn no-typ", "fail extra-claim", "fail extra-field", "fail sid-only", "warn sub-only", "not tested replay"},
		"refuses what is gone":     {"fail idempotent", "fail aud-list", "warn no-typ", "fail extra-claim", "fail extra-field", "fail sid-only", "not tested replay"},
		"demands typ":              {"warn no-typ"},
		"knows no lists":           {"fail aud-list"},
		"refuses unknown claims":   {"fail extra-claim"},
		"refuses unknown fields":   {"fail extra-field"},
		"demands sid":              {"warn sub-only"},
		"demands sub":              {"fail sid-only"},

		"cacheable":          {"warn cache"},
		"slow":               {"warn time"},
		"bare 400":           {"warn error-body"},
		"crashes on garbage": {"fail no-token", "fail empty", "fail query"},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			_, cfg := newPatient(t, fault)
			if got := odd(examine(t, cfg)); !slices.Equal(got, want) {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
	for fault, want := range map[string]struct {
		verdict doctor.Verdict
		names   []string
		advice  string
	}{
		"login page in front": {doctor.Fail, []string{"good", "alg-none", "get", "redirect"}, "login page"},
		"says 403":            {doctor.Fail, []string{"alg-none", "no-token"}, "CSRF"},
		"says 204":            {doctor.Warn, []string{"good", "idempotent"}, "200"},
	} {
		t.Run(fault, func(t *testing.T) {
			_, cfg := newPatient(t, fault)
			report := examine(t, cfg)
			for _, f := range report.Findings {
				if !slices.Contains(want.names, f.Name) {
					continue
				}
				if f.Verdict != want.verdict || f.Name != "redirect" && !strings.Contains(f.Advice, want.advice) {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// Without the provider's keys nothing is proven that is not.
func TestExamineWithoutKeys(t *testing.T) {
	_, cfg := newPatient(t, "does not check aud")
	report := examine(t, doctor.Config{URL: cfg.URL})
	if report.Count(doctor.Fail) != 0 || report.Count(doctor.Unproven) < 12 || report.Count(doctor.NotTested) != 10 {
		t.Errorf("found %q", odd(report))
	}
	_, cfg = newPatient(t, "verifies no signature")
	report = examine(t, doctor.Config{URL: cfg.URL, Issuer: cfg.Issuer, ClientID: cfg.ClientID})
	for _, name := range []string{"wrong-key", "unknown-kid", "tampered"} {
		if !slices.Contains(odd(report), "fail "+name) {
			t.Errorf("%s was not found among %q", name, odd(report))
		}
	}
}

// There is nothing wrong with the kit.
func TestExamineKit(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		server := httptest.NewUnstartedServer(nil)
		provider, address := serveProvider(t)
		kit, err := rp.New(rp.Config{Issuer: address, ClientID: "shop", ClientSecret: "s3cret+/%", BaseURL: "http://" + server.Listener.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		server.Config.Handler = kit
		client := doctor.NewClient(nil)
		if scheme == "https" {
			server.StartTLS()
			client.Transport = server.Client().Transport
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		cfg := provider.Config(server.URL + "/auth/backchannel-logout")
		cfg.HTTPClient = client
		report := examine(t, cfg)
		if got := odd(report); len(got) != 0 {
			var text bytes.Buffer
			_, _ = report.WriteTo(&text)
			t.Errorf("%s: found %q\n%s", scheme, got, text.String())
		}
	}
}

// serveProvider starts a provider on a listener.
func serveProvider(t *testing.T) (*doctor.Provider, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	address := "http://" + server.Listener.Addr().String()
	provider := newProvider(t, address)
	server.Config.Handler = provider
	server.Start()
	t.Cleanup(server.Close)
	return provider, address
}

func TestExamineUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	provider := newProvider(t, "https://id.example.com")
	cfg := provider.Config(server.URL)
	server.Close()
	report := examine(t, cfg)
	if report.Count(doctor.Pass) != 2 || report.Count(doctor.NotTested) != 4 { // time and http on this machine; replay, cache, error-body, redirect
		t.Errorf("found %q", odd(report))
	}
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tlsServer.Close)
	report = examine(t, provider.Config(tlsServer.URL)) // a certificate that nobody knows
	if !slices.Contains(odd(report), "fail tls") {
		t.Errorf("found %q", odd(report))
	}
}

func TestExamineNamesTheField(t *testing.T) {
	provider := newProvider(t, "https://id.example.com")
	for want, cfg := range map[string]doctor.Config{
		"absolute":      {URL: "shop.example.com/logout"},
		"Config.Issuer": {URL: "https://shop.example.com/logout", Signer: provider},
	} {
		if _, err := doctor.Examine(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestReport(t *testing.T) {
	_, cfg := newPatient(t, "does not check aud")
	report := examine(t, cfg)
	var text bytes.Buffer
	n, err := report.WriteTo(&text)
	if err != nil || n != int64(text.Len()) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	for _, part := range []string{"fail     wrong-aud", "aud of another client", "FAIL: wrong-aud\n  Check that aud is", "1 failed", "See Back-Channel Logout 1.0, 2.6 step 4"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the report lacks %q:\n%s", part, text.String())
		}
	}
	encoded, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(decoded)); !slices.Equal(got, []string{"at", "findings", "url"}) {
		t.Errorf("members %q", got)
	}
}
