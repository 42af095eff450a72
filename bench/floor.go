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
	"slices"
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

// measureFloor runs the floor in a process of its own, as the provider runs, and returns its tokens per second.
func measureFloor(ctx context.Context, o options, alg string) (float64, error) {
	if !slices.Contains(o.only, "logout") {
		return 0, nil
	}
	sink, err := driver.NewSink(http.StatusOK)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sink.Close() }()
	port, err := driver.FreePort()
	if err != nil {
		return 0, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, "floor", "-alg", alg, "-listen", listen, "-sink", sink.URL(""))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	client := &http.Client{Transport: driver.NewTransport()}
	call := func(ctx context.Context, sid string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/logout?sid="+sid, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	if err := ready(ctx, func() error { return call(ctx, "warm-up") }); err != nil {
		return 0, err
	}
	var rates []float64
	for round := range o.rounds {
		sink.Reset()
		start := time.Now()
		if err := each(ctx, o.sessions, atOnceLogout, func(i int) error { return call(ctx, fmt.Sprintf("%d-%d", round, i)) }); err != nil {
			return 0, err
		}
		last, err := sink.Await(ctx, o.sessions*parties)
		if err != nil {
			return 0, err
		}
		rates = append(rates, float64(o.sessions*parties)/last.Sub(start).Seconds())
	}
	return median(rates), nil
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
