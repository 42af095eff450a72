package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// answer is what came back.
type answer struct {
	status int
	took   time.Duration
	closed bool
	err    string
}

func (a answer) String() string {
	if a.status != 0 {
		return fmt.Sprintf("%d", a.status)
	}
	return a.err
}

// send makes one request. What is wrong with the answer as such is kept for the
// end. The error is that of ctx.
func (e *examination) send(ctx context.Context, name string, sent *attempt) (answer, error) {
	address := e.cfg.URL
	if sent.query != "" {
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		address += separator + sent.query
	}
	r, err := http.NewRequestWithContext(ctx, sent.method, address, strings.NewReader(sent.body))
	if err != nil {
		return answer{}, err
	}
	if sent.contentType != "" {
		r.Header.Set("Content-Type", sent.contentType)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "exeunt-doctor")
	begun := time.Now()
	res, err := e.cfg.HTTPClient.Do(r)
	took := time.Since(begun)
	if ctx.Err() != nil {
		return answer{}, ctx.Err()
	}
	if took > e.slowest {
		e.slowest, e.slow = took, name
	}
	if err != nil {
		var timeout net.Error
		late := errors.As(err, &timeout) && timeout.Timeout()
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err // without the address, which may contain a token
		}
		return answer{took: took, closed: !late && e.reached, err: err.Error()}, nil
	}
	e.reached = true
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // an answer is judged by what could be read of it
	_ = res.Body.Close()
	e.note(name, res, body)
	return answer{status: res.StatusCode, took: took}, nil
}

// note keeps what is to be said about all answers together.
func (e *examination) note(name string, res *http.Response, body []byte) {
	if res.TLS != nil {
		e.connection = res.TLS
	}
	if !strings.Contains(strings.ToLower(strings.Join(res.Header.Values("Cache-Control"), ",")), "no-store") {
		e.uncached = append(e.uncached, name)
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		e.redirected = append(e.redirected, name)
	}
	if res.StatusCode == http.StatusBadRequest {
		mediaType, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
		var reason struct {
			Error string `json:"error"`
		}
		if mediaType != "application/json" || json.Unmarshal(body, &reason) != nil || reason.Error != "invalid_request" {
			e.unexplained = append(e.unexplained, name)
		}
	}
}
