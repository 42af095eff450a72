package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
)

const (
	fairParties = 5                     // of each session; the last one misbehaves
	fairEvery   = 50 * time.Millisecond // between two logouts, whatever becomes of them
	slowAnswer  = 9 * time.Second
	patience    = 5 * time.Minute
)

// trouble is what one relying party does to the others.
type trouble struct {
	name  string
	begin func() error
	end   func() error
}

// fairness measures how long healthy parties wait to be told, from the request on, beside one that misbehaves, and as a ratio to the same
// without it. Each round measures all troubles; the medians count.
func (l *load) fairness(ctx context.Context) error {
	other, err := driver.NewSink(http.StatusOK)
	if err != nil {
		return err
	}
	defer func() { _ = other.Close() }()
	if err := l.restartWith(ctx, fairParties, other, 0); err != nil {
		return err
	}
	nothing := func() error { return nil }
	troubles := []trouble{
		{"alone", nothing, nothing},
		{"one is dead", other.Close, other.Open},
		{"one never answers", func() error { other.Answer(driver.Hang); return nil }, func() error { other.Answer(http.StatusOK); return nil }},
		{"one takes 9 s", func() error { other.Delay(slowAnswer); return nil }, func() error { other.Delay(0); return nil }},
		{"one answers 500", func() error { other.Answer(http.StatusInternalServerError); return nil }, func() error { other.Answer(http.StatusOK); return nil }},
	}
	figures := make(map[string][][2]float64)
	for range l.o.rounds {
		for _, t := range troubles {
			if err := l.endure(ctx, t, other, figures); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	backlog := trouble{fmt.Sprintf("one has a backlog of %d", l.o.backlog), nothing, nothing}
	if err := l.missed(ctx, fmt.Sprintf("rp-%d", fairParties-1), l.o.backlog); err != nil {
		return err
	}
	other.Reset()
	start := time.Now()
	for range l.o.rounds {
		p50, p99, err := l.tell(ctx)
		if err != nil {
			return err
		}
		figures[backlog.name] = append(figures[backlog.name], [2]float64{p50, p99})
	}
	caught, took := len(other.Acknowledged()), time.Since(start)
	alone := medians(figures["alone"])
	for _, t := range append(troubles, backlog) {
		m := medians(figures[t.name])
		l.report("healthy parties told, "+t.name, fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", m[0], m[1]), fmt.Sprintf("alone: %.2f, %.2f", m[0]/alone[0], m[1]/alone[1]))
	}
	l.report("meanwhile of the backlog", fmt.Sprintf("%.0f/s", float64(caught)/took.Seconds()), "")
	return nil
}

func medians(rounds [][2]float64) [2]float64 {
	var m [2]float64
	for i := range m {
		var all []float64
		for _, r := range rounds {
			all = append(all, r[i])
		}
		m[i] = median(all)
	}
	return m
}

// endure measures one round of a trouble, then waits until the party that made it has heard of everything.
func (l *load) endure(ctx context.Context, t trouble, other *driver.Sink, figures map[string][][2]float64) error {
	other.Reset()
	if err := t.begin(); err != nil {
		return err
	}
	p50, p99, err := l.tell(ctx)
	if err != nil {
		return err
	}
	figures[t.name] = append(figures[t.name], [2]float64{p50, p99})
	return l.mend(ctx, t, other, l.o.sessions)
}

// mend ends a trouble and waits until the party that made it has heard of everything.
func (l *load) mend(ctx context.Context, t trouble, other *driver.Sink, deliveries int) error {
	if err := t.end(); err != nil {
		return err
	}
	// What follows must not wait for the next probe.
	if _, err := l.exeunt(ctx, "delivery", "retry", "--client", l.clients[len(l.clients)-1].ID); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := other.Await(ctx, deliveries); err != nil {
		return fmt.Errorf("the troubled party has heard of %d of %d: %w", len(other.Acknowledged()), deliveries, err)
	}
	return nil
}

// tell logs people out at a steady pace and returns the median and the 99th percentile, in ms, of the time from the request until a healthy
// party was told.
func (l *load) tell(ctx context.Context) (p50, p99 float64, err error) {
	agents := make([]*driver.Agent, l.o.sessions)
	expect := make([][]driver.Told, l.o.sessions)
	err = each(ctx, len(agents), 4, func(i int) error {
		agents[i] = driver.NewAgent(l.process.Issuer, l.transport)
		if err := agents[i].Login(ctx, fmt.Sprintf("user-%d", i%users)); err != nil {
			return err
		}
		for j, c := range l.clients {
			tokens, err := agents[i].SignOn(ctx, c, "openid")
			if err != nil {
				return err
			}
			if j < len(l.clients)-1 {
				expect[i] = append(expect[i], driver.Told{ClientID: c.ID, SID: driver.SIDOf(tokens.IDToken)})
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	l.sink.Reset()
	sent := make([]time.Time, len(agents))
	errs := make(chan error, len(agents))
	tick := time.NewTicker(fairEvery)
	defer tick.Stop()
	for i, a := range agents {
		<-tick.C
		sent[i] = time.Now()
		go func() { errs <- a.Logout(ctx, l.clients[0]) }()
	}
	for range agents {
		if err := <-errs; err != nil {
			return 0, 0, err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := l.sink.Await(waiting, len(agents)*(len(l.clients)-1)); err != nil {
		return 0, 0, fmt.Errorf("healthy parties have heard of %d: %w", len(l.sink.Acknowledged()), err)
	}
	var took []float64
	for i := range agents {
		for _, told := range expect[i] {
			took = append(took, float64(l.sink.First(told).Sub(sent[i]).Microseconds())/1000)
		}
	}
	p50, p99 = percentiles(took)
	return p50, p99, nil
}
