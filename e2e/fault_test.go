package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

const (
	faultNodes   = 3
	faultParties = 5
	faultWorkers = 4
)

// storm is three nodes on one database, each by a cable of its own, and everything that happens to them.
type storm struct {
	database *databasetest.Server
	cables   []*driver.Cable
	nodes    []*driver.Process
	sinks    []*driver.Sink
	clients  []driver.Client
	balancer *driver.Balancer
	deeds    deeds
}

// deeds counts.
type deeds struct{ kills, cuts, stalls, crashes, flaps, logins, logouts, uncertain, failures atomic.Int32 }

// visit is what one person did, as far as the answers told.
type visit struct {
	told   []driver.Told // for each party that gave tokens: who must hear of the logout
	access []string      // their access tokens
	ended  bool          // the logout was answered
}

// TestFaults lets people come and go at three nodes while nodes are killed, their cables to the database are cut or stall, the database
// crashes, and relying parties refuse, fail and hang. Then everything is made whole, and a checker reads the database and what the relying
// parties acknowledged: every logout that was answered has been delivered, none was made up, none is left over.
//
// EXEUNT_FAULTS says how long the storm lasts (10 s); for minutes of it run
//
//	EXEUNT_FAULTS=5m go test -run TestFaults -timeout 30m -v ./e2e
func TestFaults(t *testing.T) {
	lasting := 10 * time.Second
	if text := os.Getenv("EXEUNT_FAULTS"); text != "" {
		var err error
		if lasting, err = time.ParseDuration(text); err != nil {
			t.Fatalf("EXEUNT_FAULTS: %v", err)
		}
	}
	s := newStorm(t)
	storming, cancel := context.WithTimeout(t.Context(), lasting)
	defer cancel()

	var people sync.WaitGroup
	visits := make([][]visit, faultWorkers)
	for i := range visits {
		people.Add(1)
		go func() {
			defer people.Done()
			for storming.Err() == nil {
				visits[i] = append(visits[i], s.visit(t.Context(), i))
			}
		}()
	}
	if err := s.rage(storming); err != nil {
		t.Fatal(err)
	}
	if err := s.calm(t.Context()); err != nil {
		t.Fatal(err)
	}
	people.Wait()
	var all []visit
	for _, v := range visits {
		all = append(all, v...)
	}
	s.check(t, all, lasting)
}

func newStorm(t *testing.T) *storm {
	t.Helper()
	s := &storm{database: databasetest.NewServer(t)}
	for i := range faultParties {
		id := fmt.Sprintf("rp-%d", i)
		sink := newSink(t, http.StatusOK)
		s.sinks = append(s.sinks, sink)
		s.clients = append(s.clients, driver.Client{
			ID: id, Secret: "a-secret-of-" + id + "-0123456789abcdef", RedirectURI: "http://" + id + ".localhost/callback", LogoutURI: sink.URL(id), Alg: "ES256",
		})
	}
	var addresses []string
	for range faultNodes {
		cable, err := driver.NewCable(s.database.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cable.Close() })
		node, err := driver.Start(t.Context(), driver.Setup{
			Binary: binary, Dir: t.TempDir(), Database: s.database.URLVia(cable.Address()), Clients: s.clients, Users: faultWorkers,
			Issuer: "http://exeunt.localhost", Extra: map[string]any{
				"logout":    map[string]any{"wait": "50ms", "attempt_timeout": "2s"},
				"passwords": map[string]any{"memory": "8KiB", "iterations": 1},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = node.Kill() }) // it may be dead already
		s.cables, s.nodes, addresses = append(s.cables, cable), append(s.nodes, node), append(addresses, node.Address())
	}
	s.balancer = driver.NewBalancer(addresses...)
	return s
}

// visit is one person who logs in, uses some applications and logs out. Whatever fails ends it early; what was answered counts.
func (s *storm) visit(ctx context.Context, worker int) visit {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	var v visit
	agent := driver.NewAgent(s.nodes[0].Issuer, s.balancer.Transport())
	if err := agent.Login(ctx, fmt.Sprintf("user-%d", worker)); err != nil {
		s.deeds.failures.Add(1)
		sleep(ctx, 50*time.Millisecond)
		return v
	}
	s.deeds.logins.Add(1)
	for _, c := range s.clients {
		tokens, err := agent.SignOn(ctx, c, "openid")
		if err != nil {
			s.deeds.failures.Add(1)
			break
		}
		v.told = append(v.told, driver.Told{ClientID: c.ID, SID: driver.SIDOf(tokens.IDToken)})
		v.access = append(v.access, tokens.AccessToken)
	}
	if len(v.told) == 0 {
		return v
	}
	if err := agent.Logout(ctx, s.clients[0]); err != nil {
		s.deeds.uncertain.Add(1) // it may have happened: the answer was lost, or there was none
		return v
	}
	s.deeds.logouts.Add(1)
	v.ended = true
	return v
}

// rage does harm until ctx is done. One misfortune comes at a time, and every second one stays while the next comes.
func (s *storm) rage(ctx context.Context) error {
	var lasting sync.WaitGroup
	defer lasting.Wait()
	var failed errorKeeper
	for ctx.Err() == nil {
		var undo func() error
		i, party := rand.IntN(faultNodes), rand.IntN(faultParties) //nolint:gosec // not a secret
		switch rand.IntN(6) {                                      //nolint:gosec // not a secret
		case 0:
			s.deeds.kills.Add(1)
			_ = s.nodes[i].Kill() // it may be dead already
		case 1:
			s.deeds.cuts.Add(1)
			s.cables[i].Cut()
			undo = func() error { s.cables[i].Mend(); return nil }
		case 2:
			s.deeds.stalls.Add(1)
			s.cables[i].Stall()
			undo = func() error { s.cables[i].Mend(); return nil }
		case 3:
			if s.deeds.crashes.Load()*8 > s.deeds.kills.Load()+s.deeds.cuts.Load()+s.deeds.stalls.Load()+s.deeds.flaps.Load() {
				continue // a database that is always down says little
			}
			s.deeds.crashes.Add(1)
			if err := s.database.Crash(); err != nil {
				return err
			}
			undo = s.database.Start
		default:
			s.deeds.flaps.Add(1)
			s.sinks[party].Answer([]int{http.StatusServiceUnavailable, http.StatusNotFound, http.StatusTooManyRequests, driver.Hang}[rand.IntN(4)]) //nolint:gosec // not a secret
			undo = func() error { s.sinks[party].Answer(http.StatusOK); return nil }
		}
		sleep(ctx, time.Duration(200+rand.IntN(1800))*time.Millisecond) //nolint:gosec // not a secret
		if undo == nil {
			continue // a dead node is brought back below
		}
		if s.deeds.cuts.Load()%2 == 0 {
			if err := undo(); err != nil {
				return err
			}
		} else {
			lasting.Add(1)
			go func() {
				defer lasting.Done()
				sleep(ctx, time.Second)
				failed.keep(undo())
			}()
		}
		if err := s.revive(ctx, i); err != nil {
			return err
		}
	}
	lasting.Wait()
	return failed.err
}

// revive starts a node again that was killed. Without a database it cannot start: then it is tried again later.
func (s *storm) revive(ctx context.Context, i int) error {
	if s.nodes[i].Running() {
		return nil
	}
	err := s.nodes[i].Restart(ctx)
	if errors.Is(err, driver.ErrStopped) || ctx.Err() != nil {
		return nil
	}
	return err
}

// calm makes everything whole.
func (s *storm) calm(ctx context.Context) error {
	for _, sink := range s.sinks {
		sink.Answer(http.StatusOK)
	}
	for _, cable := range s.cables {
		cable.Mend()
	}
	for i := range s.nodes {
		if !s.nodes[i].Running() {
			if err := s.nodes[i].Restart(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// sleep waits, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// errorKeeper keeps errors of several goroutines.
type errorKeeper struct {
	mu  sync.Mutex
	err error
}

func (k *errorKeeper) keep(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = errors.Join(k.err, err)
}
