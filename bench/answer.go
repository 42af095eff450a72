package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
)

const (
	answers   = 100                    // logouts of each measurement, one at a time
	boundWait = 800 * time.Millisecond // logout.wait as it is by default
)

// answer measures one logout at a time: when the last party was told, and when the person had the answer, also while one of the parties is slow or
// dead. What the trouble costs a person is bounded: the 99th percentile is compared with the healthy one and the wait.
func (l *load) answer(ctx context.Context) error {
	other, err := driver.NewSink(http.StatusOK)
	if err != nil {
		return err
	}
	defer func() { _ = other.Close() }()
	last := &l.clients[parties-1]
	defer func(uri string) { last.LogoutURI = uri }(last.LogoutURI)
	if err := l.restartWith(ctx, parties, other, boundWait); err != nil {
		return err
	}
	told, answered, err := l.answers(ctx, other)
	if err != nil {
		return err
	}
	p50, healthy := percentiles(answered)
	l.report("one logout, 10 parties", fmt.Sprintf("last told after %.1f ms, answer after p50 %.1f ms, p99 %.1f ms", median(told), p50, healthy), "")
	bound := healthy + float64(boundWait.Milliseconds())
	for _, t := range []trouble{
		{"one is dead", other.Close, other.Open},
		{"one takes 9 s", func() error { other.Delay(slowAnswer); return nil }, func() error { other.Delay(0); return nil }},
	} {
		other.Reset()
		if err := t.begin(); err != nil {
			return err
		}
		_, answered, err := l.answers(ctx, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		p50, p99 := percentiles(answered)
		l.report("the answer, "+t.name, fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", p50, p99), fmt.Sprintf("healthy p99 + %s: %.2f", boundWait, p99/bound))
		if err := l.mend(ctx, t, other, answers); err != nil {
			return err
		}
	}
	return nil
}

// answers logs people out one after the other, and returns, in ms, when the last party was told and when they had their answers. other is the
// sink of the last party, nil if nobody waits for it.
func (l *load) answers(ctx context.Context, other *driver.Sink) (told, answered []float64, err error) {
	agents, err := l.people(ctx, answers, true)
	if err != nil {
		return nil, nil, err
	}
	for i, a := range agents {
		l.sink.Reset()
		if other != nil {
			other.Reset()
		}
		start := time.Now()
		if err := a.Logout(ctx, l.clients[i%(parties-1)]); err != nil {
			return nil, nil, err
		}
		answered = append(answered, float64(time.Since(start).Microseconds())/1000)
		last, err := l.sink.Await(ctx, parties-1)
		if err != nil {
			return nil, nil, err
		}
		if other != nil {
			late, err := other.Await(ctx, 1)
			if err != nil {
				return nil, nil, err
			}
			if late.After(last) {
				last = late
			}
		}
		told = append(told, float64(last.Sub(start).Microseconds())/1000)
	}
	return told, answered, nil
}

// percentiles sorts figures and returns the median and, by nearest rank, the 99th percentile.
func percentiles(figures []float64) (p50, p99 float64) {
	return median(figures), figures[(len(figures)*99+99)/100-1]
}
