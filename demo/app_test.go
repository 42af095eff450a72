package demo_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/demo"
)

func TestStart(t *testing.T) {
	app, err := demo.New(demo.Apps()[2])
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Start(ctx, listener) }()
	b := newBrowser(t, "http://"+listener.Addr().String())
	shown := b.wantState("signed-out") // without a provider
	for _, link := range demo.Apps()[2].OtherApps {
		if !strings.Contains(shown.body, `href="`+link.URL+`"`) {
			t.Errorf("no link to %s", link.Name)
		}
	}
	for _, path := range []string{"/page.css", "/page.js", "/icon.svg"} {
		if got := b.get(path); got.StatusCode != http.StatusOK || got.body == "" {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	b.CloseIdleConnections()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the app did not end")
	}
}

func TestNewNamesTheField(t *testing.T) {
	for field, change := range map[string]func(*demo.Config){
		"Name":       func(c *demo.Config) { c.Name = "" },
		"ClientID":   func(c *demo.Config) { c.ClientID = "a b" },
		"BaseURL":    func(c *demo.Config) { c.BaseURL = "http://localhost:9101/" },
		"Issuer":     func(c *demo.Config) { c.Issuer = "localhost" },
		"Accent":     func(c *demo.Config) { c.Accent = "red; }" },
		"Algorithms": func(c *demo.Config) { c.SigningAlg = "HS256" },
	} {
		cfg := demo.Apps()[0]
		change(&cfg)
		if _, err := demo.New(cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got error %v", field, err)
		}
	}
}
