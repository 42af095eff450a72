package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/exeunt-id/exeunt/bench/driver"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "exeunt-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "exeunt")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building exeunt: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// world is a provider process and its relying parties.
type world struct {
	*driver.Process
	clients   []driver.Client
	transport *http.Transport
}

// newWorld starts a provider. sink names the endpoint of the i-th relying party.
func newWorld(t *testing.T, database string, parties int, sink func(i int, id string) string, extra map[string]any) *world {
	t.Helper()
	w := &world{transport: driver.NewTransport()}
	for i := range parties {
		id := fmt.Sprintf("rp-%d", i)
		w.clients = append(w.clients, driver.Client{
			ID: id, Secret: "a-secret-of-" + id + "-0123456789abcdef", RedirectURI: "http://" + id + ".localhost/callback", LogoutURI: sink(i, id), Alg: "ES256", Refresh: true,
		})
	}
	var err error
	w.Process, err = driver.Start(t.Context(), driver.Setup{Binary: binary, Dir: t.TempDir(), Database: database, Clients: w.clients, Users: 4, Extra: extra})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Kill(); err != nil {
			t.Error(err)
		}
		w.transport.CloseIdleConnections()
	})
	return w
}

// agent returns a browser whose person is logged in.
func (w *world) agent(t *testing.T, user int) *driver.Agent {
	t.Helper()
	a := driver.NewAgent(w.Issuer, w.transport)
	if err := a.Login(t.Context(), fmt.Sprintf("user-%d", user%4)); err != nil {
		t.Fatal(err)
	}
	return a
}

// each runs fn n times, some at once, and reports every error.
func each(t *testing.T, n, atOnce int, fn func(i int) error) {
	t.Helper()
	next := make(chan int)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				if err := fn(i); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func newSink(t *testing.T, status int) *driver.Sink {
	t.Helper()
	sink, err := driver.NewSink(status)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close() })
	return sink
}
