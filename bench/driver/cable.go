package driver

import (
	"io"
	"net"
	"sync"
)

// Cable is a network connection that can be pulled: a relay between those who connect to it and one address.
type Cable struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	flow  *sync.Cond
	state cableState
	conns map[net.Conn]bool
}

type cableState int

const (
	cableWhole cableState = iota
	cableCut              // connections are reset, new ones too
	cableStuck            // nothing passes, and nobody is told
)

// NewCable lays a cable to an address.
func NewCable(to string) (*Cable, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Cable{listener: l, to: to, conns: make(map[net.Conn]bool)}
	c.flow = sync.NewCond(&c.mu)
	go c.accept()
	return c, nil
}

// Address is where to connect.
func (c *Cable) Address() string { return c.listener.Addr().String() }

// Cut resets all connections, and every new one, until Mend.
func (c *Cable) Cut() { c.set(cableCut) }

// Stall lets nothing pass until Mend; connections stay open, as when a switch hangs.
func (c *Cable) Stall() { c.set(cableStuck) }

// Mend makes it whole again. What was stuck arrives now.
func (c *Cable) Mend() { c.set(cableWhole) }

// Close takes the cable away.
func (c *Cable) Close() error {
	err := c.listener.Close()
	c.Cut()
	return err
}

func (c *Cable) set(s cableState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
	c.flow.Broadcast()
	if s != cableCut {
		return
	}
	for conn := range c.conns {
		reset(conn)
	}
}

// passes waits while nothing does. It reports false when the cable is cut.
func (c *Cable) passes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.state == cableStuck {
		c.flow.Wait()
	}
	return c.state == cableWhole
}

func (c *Cable) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		go c.join(conn)
	}
}

// join relays both ways until either side ends or the cable is cut.
func (c *Cable) join(near net.Conn) {
	defer reset(near)
	if !c.keep(near) {
		return
	}
	defer c.drop(near)
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	if !c.keep(far) {
		return
	}
	defer c.drop(far)
	done := make(chan struct{}, 2)
	relay := func(to io.Writer, from io.Reader) {
		defer func() { done <- struct{}{} }()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if !c.passes() {
				return
			}
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil || err != nil {
				return
			}
		}
	}
	go relay(far, near)
	go relay(near, far)
	<-done
}

func (c *Cable) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == cableCut {
		return false
	}
	c.conns[conn] = true
	return true
}

func (c *Cable) drop(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
}

// reset closes without a farewell.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
