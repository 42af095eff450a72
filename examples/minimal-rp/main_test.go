package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/doctor"
)

// The command as it stands, built, started and examined: a login, a session, and every way out of it.
func TestMinimalRP(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	provider, err := doctor.NewProvider(doctor.ProviderConfig{Issuer: issuer, ClientID: "minimal", ClientSecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = provider
	server.Start()
	t.Cleanup(server.Close)

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "minimal-rp")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	command := exec.CommandContext(t.Context(), binary)
	var output strings.Builder
	command.Stderr = &output
	command.Env = append(os.Environ(), "ISSUER="+issuer, "CLIENT_ID=minimal", "CLIENT_SECRET=secret", "LISTEN="+address, "BASE_URL=http://"+address)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it serves until then
		_ = command.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	app := "http://" + address
	await(t, app+"/bye")

	report, err := doctor.Drive(t.Context(), provider, doctor.DriveConfig{
		Backchannel: app + "/auth/backchannel-logout", Login: app + "/auth/login", Page: app + "/", Logout: app + "/auth/logout",
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Count(doctor.Pass) != len(report.Findings) || len(report.Findings) < 40 {
		var text strings.Builder
		_, _ = report.WriteTo(&text)
		t.Error(text.String())
	}
}

// await waits until something answers.
func await(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("nothing answers: %v", err)
		}
	}
}
