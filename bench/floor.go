package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/bench/driver"
)

// runFloor is the floor's process: a server that does for a logout only what no provider can leave out, and forgets it.
func runFloor(args []string) error {
	flags := flag.NewFlagSet("floor", flag.ExitOnError)
	alg := flags.String("alg", "RS256", "signature algorithm")
	listen := flags.String("listen", "127.0.0.1:9000", "address")
	sink := flags.String("sink", "", "URL of the relying parties' endpoint")
	parties := flags.Int("parties", 10, "relying parties of each session")
	if err := flags.Parse(args); err != nil {
		return err
	}
	signer, err := newSigner(jose.SignatureAlgorithm(*alg))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: driver.NewTransport()}
	http.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		sid := r.FormValue("sid") // before the goroutines: reading it parses the form
		var wg sync.WaitGroup
		for i := range *parties {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if err := signAndPost(r.Context(), client, signer, *sink, fmt.Sprintf("rp-%d", i), sid); err != nil {
					fmt.Fprintln(os.Stderr, "floor:", err)
				}
			}()
		}
		wg.Wait()
		w.WriteHeader(http.StatusNoContent)
	})
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

func newSigner(alg jose.SignatureAlgorithm) (jose.Signer, error) {
	var key crypto.Signer
	var err error
	if alg == jose.RS256 {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	return jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("logout+jwt").WithHeader("kid", "floor"))
}

func signAndPost(ctx context.Context, client *http.Client, signer jose.Signer, sink, clientID, sid string) error {
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": "http://localhost", "sub": "somebody", "aud": clientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": clientID + sid, "sid": clientID + sid,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
	})
	if err != nil {
		return err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return err
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sink+clientID, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// floor is the floor's process, as the provider has one, and its relying parties.
type floor struct {
	sessions int
	url      string
	sink     *driver.Sink
	cmd      *exec.Cmd
	client   *http.Client
}

// startFloor starts the floor's process.
func startFloor(ctx context.Context, o options, alg string) (*floor, error) {
	sink, err := driver.NewSink(http.StatusOK)
	if err != nil {
		return nil, err
	}
	port, err := driver.FreePort()
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &floor{sessions: o.sessions, url: "http://" + listen + "/logout?sid=", sink: sink, client: &http.Client{Transport: driver.NewTransport()}}
	f.cmd = exec.CommandContext(ctx, self, "floor", "-alg", alg, "-listen", listen, "-sink", sink.URL(""))
	f.cmd.Stderr = os.Stderr
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	if err := ready(ctx, func() error { return f.logout(ctx, 0) }); err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

func (f *floor) stop() {
	_, _ = f.cmd.Process.Kill(), f.cmd.Wait()
	_ = f.sink.Close()
}

func (f *floor) logout(ctx context.Context, i int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+strconv.Itoa(i), nil)
	if err != nil {
		return err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// round returns the tokens per second of one round.
func (f *floor) round(ctx context.Context) (float64, error) {
	f.sink.Reset()
	start := time.Now()
	if err := each(ctx, f.sessions, atOnceLogout, func(i int) error { return f.logout(ctx, i) }); err != nil {
		return 0, err
	}
	last, err := f.sink.Await(ctx, f.sessions*parties)
	if err != nil {
		return 0, err
	}
	return float64(f.sessions*parties) / last.Sub(start).Seconds(), nil
}

// ready tries until a process that was just started answers.
func ready(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
