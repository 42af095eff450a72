package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
)

const (
	parties      = 10 // of each session
	users        = 64 // more than log out at once
	atOnceLogout = 32
	atOnceSignOn = 8
	atOnceRead   = 32
)

// load is one provider under load.
type load struct {
	o         options
	process   *driver.Process
	dir       string
	database  string
	alg       string
	sink      *driver.Sink
	clients   []driver.Client
	transport *http.Transport
	report    func(what, result, ratio string)
}

// measure starts a provider on an empty database and runs the chosen measurements on it.
func measure(ctx context.Context, o options, database, alg string, report func(what, result, ratio string)) error {
	dir, err := os.MkdirTemp("", "exeunt-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sink, err := driver.NewSink(http.StatusOK)
	if err != nil {
		return err
	}
	defer func() { _ = sink.Close() }()
	target := "sqlite:" + filepath.Join(dir, "exeunt.db")
	if database == "PostgreSQL" {
		target = o.postgres
	}
	l := &load{o: o, alg: alg, sink: sink, transport: driver.NewTransport(), report: report, dir: dir, database: target}
	for i := range parties {
		id := fmt.Sprintf("rp-%d", i)
		l.clients = append(l.clients, driver.Client{
			ID: id, Secret: "a-secret-of-" + id + "-0123456789abcdef", RedirectURI: "http://" + id + ".localhost/callback", LogoutURI: sink.URL(id), Alg: alg, Refresh: true,
		})
	}
	l.process, err = driver.Start(ctx, driver.Setup{Binary: o.binary, Dir: dir, Database: target, Clients: l.clients, Users: users})
	if err != nil {
		return err
	}
	defer func() {
		_ = l.process.Kill()
		if os.Getenv("BENCH_LOG") != "" {
			fmt.Fprintln(os.Stderr, l.process.Log())
		}
	}()
	for _, m := range []struct {
		name string
		run  func(ctx context.Context) error
	}{
		{"sign-on", l.signOn},
		{"logout", l.logout},
		{"read", l.read},
		{"start", l.start},
		{"answer", l.answer},
		{"fairness", l.fairness},
		{"mass", l.massLogout},
		{"realtime", l.realtime},
	} {
		if !slices.Contains(o.only, m.name) {
			continue
		}
		if err := m.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// each calls fn n times, some at once, and stops at the first error.
func each(ctx context.Context, n, atOnce int, fn func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				if err := fn(i); err != nil {
					cancel(err)
					return
				}
			}
		}()
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

// people logs n browsers in and, where asked, lets each sign on at every relying party.
func (l *load) people(ctx context.Context, n int, signedOn bool) ([]*driver.Agent, error) {
	agents := make([]*driver.Agent, n)
	return agents, each(ctx, n, 4, func(i int) error {
		agents[i] = driver.NewAgent(l.process.Issuer, l.transport)
		if err := agents[i].Login(ctx, fmt.Sprintf("user-%d", i%users)); err != nil || !signedOn {
			return err
		}
		for _, c := range l.clients {
			if _, err := agents[i].SignOn(ctx, c, "openid"); err != nil {
				return err
			}
		}
		return nil
	})
}

// signOn measures code flows in live sessions: authorize, token, nothing cached by the client.
func (l *load) signOn(ctx context.Context) error {
	agents, err := l.people(ctx, atOnceSignOn, false)
	if err != nil {
		return err
	}
	idle := make(chan *driver.Agent, len(agents))
	for _, a := range agents {
		idle <- a
	}
	flow := func(i int) error {
		a := <-idle
		defer func() { idle <- a }()
		_, err := a.SignOn(ctx, l.clients[i%parties], "openid profile email")
		return err
	}
	if err := each(ctx, l.o.flows/10, atOnceSignOn, flow); err != nil { // warm-up
		return err
	}
	var rates []float64
	before := cpu(l.process.PID())
	for range l.o.rounds {
		start := time.Now()
		if err := each(ctx, l.o.flows, atOnceSignOn, flow); err != nil {
			return err
		}
		rates = append(rates, float64(l.o.flows)/time.Since(start).Seconds())
	}
	used := (cpu(l.process.PID()) - before) / time.Duration(l.o.flows*l.o.rounds)
	l.report("code flows, 8 at once", fmt.Sprintf("%.0f/s, %.2f ms of the provider's CPU each", median(rates), float64(used.Microseconds())/1000), "")
	return nil
}

// logout measures durable logout tokens: from the first request to the last acknowledgement.
func (l *load) logout(ctx context.Context) error {
	floor, err := startFloor(ctx, l.o, l.alg)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	defer floor.stop()
	var rates, floors, ratios []float64
	for range l.o.rounds {
		agents, err := l.people(ctx, l.o.sessions, true)
		if err != nil {
			return err
		}
		// Right before, so that a machine whose speed drifts does not change the ratio.
		beside, err := floor.round(ctx)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		l.sink.Reset()
		start := time.Now()
		if err := each(ctx, len(agents), atOnceLogout, func(i int) error { return agents[i].Logout(ctx, l.clients[i%parties]) }); err != nil {
			return err
		}
		last, err := l.sink.Await(ctx, len(agents)*parties)
		if err != nil {
			return err
		}
		rate := float64(len(agents)*parties) / last.Sub(start).Seconds()
		rates, floors, ratios = append(rates, rate), append(floors, beside), append(ratios, rate/beside)
	}
	l.report("logout tokens, the floor", fmt.Sprintf("%.0f/s", median(floors)), "1.00")
	l.report(fmt.Sprintf("logout tokens, %d sessions x %d, %d at once", l.o.sessions, parties, atOnceLogout), fmt.Sprintf("%.0f/s", median(rates)), fmt.Sprintf("%.2f", median(ratios)))
	return nil
}

// read measures what resource servers ask all day.
func (l *load) read(ctx context.Context) error {
	agents, err := l.people(ctx, 1, false)
	if err != nil {
		return err
	}
	a, c := agents[0], l.clients[0]
	tokens, err := a.SignOn(ctx, c, "openid profile email")
	if err != nil {
		return err
	}
	for _, path := range []string{"/introspect", "/userinfo"} {
		form := url.Values{"token": {tokens.AccessToken}, "access_token": {tokens.AccessToken}}
		if path == "/userinfo" {
			form.Del("token")
		} else {
			form.Del("access_token")
		}
		call := func(int) error {
			status, err := a.Call(ctx, driver.Client{ID: c.ID, Secret: c.Secret, RedirectURI: c.RedirectURI}, path, form, nil)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%s answered %d", path, status)
			}
			return err
		}
		var rates []float64
		for range l.o.rounds {
			start := time.Now()
			if err := each(ctx, l.o.flows*2, atOnceRead, call); err != nil {
				return err
			}
			rates = append(rates, float64(l.o.flows*2)/time.Since(start).Seconds())
		}
		l.report(strings.TrimPrefix(path, "/")+", 32 at once", fmt.Sprintf("%.0f/s", median(rates)), "")
	}
	return nil
}

// start measures a restart on the existing database, and the idle process's memory.
func (l *load) start(ctx context.Context) error {
	var took []float64
	for range l.o.rounds {
		if err := l.process.Stop(); err != nil {
			return err
		}
		start := time.Now()
		if err := l.process.Restart(ctx); err != nil {
			return err
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
	}
	idle := time.NewTimer(3 * time.Second)
	defer idle.Stop()
	select {
	case <-idle.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.report("start to first answer", fmt.Sprintf("%.0f ms, then %d MiB resident", median(took), resident(l.process.PID())), "")
	return nil
}

// cpu returns the processor time that a process has used; 0 where /proc does not tell.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	var ticks int
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

// resident returns the resident memory of a process in MiB; 0 where /proc does not tell.
func resident(pid int) int { return status(pid, "VmRSS:") }

// peak returns the most that a process had resident, in MiB; 0 where /proc does not tell.
func peak(pid int) int { return status(pid, "VmHWM:") }

func status(pid int, field string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), field)
	if fields := strings.Fields(after); len(fields) > 0 {
		if kb, err := strconv.Atoi(fields[0]); err == nil {
			return kb / 1024
		}
	}
	return 0
}
