package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/websocket"
)

// pagesEach is how many pages of one session are connected.
const pagesEach = 10

// audience is a session with pages.
type audience struct {
	idToken string
	told    chan time.Time // when each page heard that the session has ended
}

// realtime connects very many pages and then ends their sessions, one after the other: what memory a page needs, and how long after the
// logout was asked for its pages were told. The pages are in this process, on the same machine.
func (l *load) realtime(ctx context.Context) error {
	for _, t := range []struct {
		name string
		open func(ctx context.Context, ticket string, heard func(text string)) error
	}{
		{"WebSocket", l.socket}, {"server-sent events", l.events},
	} {
		if err := l.audiences(ctx, t.name, t.open); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

func (l *load) audiences(ctx context.Context, name string, open func(ctx context.Context, ticket string, heard func(text string)) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sessions := make([]audience, max(1, l.o.pages/pagesEach))
	agents, err := l.people(ctx, len(sessions), false)
	if err != nil {
		return err
	}
	if err := each(ctx, len(sessions), 4, func(i int) error {
		tokens, err := agents[i].SignOn(ctx, l.clients[0], "openid")
		sessions[i] = audience{idToken: tokens.IDToken, told: make(chan time.Time, pagesEach)}
		return err
	}); err != nil {
		return err
	}
	// What the logins needed for a moment would be counted as if the pages did not need it.
	if err := l.process.Stop(); err != nil {
		return err
	}
	if err := l.process.Restart(ctx); err != nil {
		return err
	}
	if err := l.call(ctx, "/api/session/status", sessions[0].idToken, nil); err != nil {
		return err
	}
	before, start := resident(l.process.PID()), time.Now()
	if err := each(ctx, len(sessions)*pagesEach, 16, func(i int) error { return l.page(ctx, &sessions[i/pagesEach], open) }); err != nil {
		return err
	}
	n, took, after := len(sessions)*pagesEach, time.Since(start), resident(l.process.PID())
	l.report(fmt.Sprintf("%d pages by %s", n, name), fmt.Sprintf("%.1f KiB each (%d MiB resident before, %d with them); %.0f connected/s", float64(after-before)*1024/float64(n), before, after,
		float64(n)/took.Seconds()), "")
	var told []float64
	for i := range sessions {
		asked := time.Now()
		if err := l.call(ctx, "/api/session/logout", sessions[i].idToken, nil); err != nil {
			return err
		}
		for range pagesEach {
			select {
			case at := <-sessions[i].told:
				told = append(told, float64(at.Sub(asked).Microseconds())/1000)
			case <-time.After(10 * time.Second):
				return fmt.Errorf("a page was not told within ten seconds of the logout")
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	p50, p99 := percentiles(told)
	l.report("told, from the request to log out", fmt.Sprintf("%.2f ms p50, %.2f ms p99, %.2f ms the last", p50, p99, told[len(told)-1]), "")
	return nil
}

// page connects one page and returns when it has heard that its session lives.
func (l *load) page(ctx context.Context, s *audience, open func(ctx context.Context, ticket string, heard func(text string)) error) error {
	var answer struct{ Ticket string }
	if err := l.call(ctx, "/api/realtime/ticket", s.idToken, &answer); err != nil {
		return err
	}
	live, once := make(chan struct{}), sync.Once{}
	err := open(ctx, answer.Ticket, func(text string) {
		switch {
		case strings.Contains(text, `"status":"ended"`):
			s.told <- time.Now()
		case strings.Contains(text, `"status":"live"`):
			once.Do(func() { close(live) })
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-live:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("a page is not connected within ten seconds")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call is one of a page's scripts.
func (l *load) call(ctx context.Context, path, idToken string, answer any) error {
	body, err := json.Marshal(map[string]string{"client_id": l.clients[0].ID, "id_token": idToken})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.process.Issuer+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", l.origin())
	res, err := (&http.Client{Transport: l.transport, Timeout: time.Minute}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", path, res.Status, text)
	}
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// origin of the pages.
func (l *load) origin() string { return strings.TrimSuffix(l.clients[0].RedirectURI, "/callback") }

// first is the first frame of a connection.
func first(ticket string) string { return `{"id":1,"connect":{"token":"` + ticket + `"}}` }

// socket connects a page by WebSocket; heard is called with what it hears until ctx is done.
func (l *load) socket(ctx context.Context, ticket string, heard func(text string)) error {
	config, err := websocket.NewConfig("ws"+strings.TrimPrefix(l.process.Issuer, "http")+"/api/realtime/websocket", l.origin())
	if err != nil {
		return err
	}
	conn, err := config.DialContext(ctx)
	if err != nil {
		return err
	}
	if err := websocket.Message.Send(conn, first(ticket)); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	go func() {
		defer func() { _ = conn.Close() }()
		for {
			var text string
			if websocket.Message.Receive(conn, &text) != nil {
				return
			}
			if text == "{}" && websocket.Message.Send(conn, "{}") != nil {
				return
			}
			heard(text)
		}
	}()
	return nil
}

// events connects a page by server-sent events.
func (l *load) events(ctx context.Context, ticket string, heard func(text string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.process.Issuer+"/api/realtime/sse?cf_connect="+url.QueryEscape(first(ticket)), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Origin", l.origin())
	res, err := l.transport.RoundTrip(req) //nolint:bodyclose // when the stream ends, below
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return fmt.Errorf("the stream is refused: %s", res.Status)
	}
	go func() {
		defer func() { _ = res.Body.Close() }()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			heard(lines.Text())
		}
	}()
	return nil
}
