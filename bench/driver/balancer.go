package driver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Balancer spreads connections over nodes, as what stands before them does: in turn, and past those that refuse.
type Balancer struct {
	nodes []string
	next  atomic.Uint32
}

// NewBalancer returns a balancer over the addresses of nodes.
func NewBalancer(nodes ...string) *Balancer { return &Balancer{nodes: nodes} }

// Transport returns a transport that reaches the nodes, whatever host a request names. No connection is kept: each request may meet another
// node.
func (b *Balancer) Transport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: b.dial, ResponseHeaderTimeout: 30 * time.Second}
}

func (b *Balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	first := int(b.next.Add(1))
	var errs []error
	for i := range b.nodes {
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, b.nodes[(first+i)%len(b.nodes)])
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}
