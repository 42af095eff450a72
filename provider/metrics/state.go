package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what the database, and this node's attempts, say at a moment.
type State struct {
	Backlog  []Backlog
	Breakers []Breaker
	InFlight []InFlight
	Queues   []Queue
	Sessions int // that live
}

// Backlog is how many deliveries of a receiver are in a state that somebody has to do something about.
type Backlog struct {
	ClientID, Channel, State string
	Count                    int
	Oldest                   time.Duration // since the logout of the oldest
}

// Breaker is the circuit breaker of a receiver.
type Breaker struct {
	ClientID, Channel string
	Open              bool
}

// InFlight is how many attempts run on this node.
type InFlight struct {
	ClientID, Channel string
	Count             int
}

// Queue is how many jobs of a queue are in a state.
type Queue struct {
	Name, State string
	Jobs        int
}

// Pool is a pool of database connections.
type Pool struct {
	Name             string
	InUse, Idle, Max int
	Waits            int64
	Waited           time.Duration
}

const (
	// stateLife is how old an answer may be: several scrapers cost one reading.
	stateLife = 5 * time.Second
	// stateTimeout bounds the reading, well below what scrapers wait.
	stateTimeout = 5 * time.Second
)

// stateCollector reads the state when it is scraped.
type stateCollector struct {
	read  func(ctx context.Context) (State, error)
	label func(clientID string) string // bounds what becomes a label

	mu     sync.Mutex
	readAt time.Time
	last   State
	err    error

	up, backlog, oldest, breaker, inFlight, queue, sessions *prometheus.Desc
}

func newStateCollector(read func(ctx context.Context) (State, error), label func(clientID string) string) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &stateCollector{
		read:     read,
		label:    label,
		up:       desc("exeunt_database_up", "Whether the database answered; 0: the gauges that are read from it are missing."),
		backlog:  desc("exeunt_delivery_backlog", "Deliveries that wait (pending, retrying) or failed for good (dead, rejected) and are kept.", "client_id", "channel", "state"),
		oldest:   desc("exeunt_delivery_oldest_seconds", "Time since the logout of the oldest delivery that waits.", "client_id", "channel", "state"),
		breaker:  desc("exeunt_breaker_open", "Whether the circuit breaker of a client's endpoint is open, over all nodes.", "client_id", "channel"),
		inFlight: desc("exeunt_delivery_in_flight", "Attempts that run on this node.", "client_id", "channel"),
		queue:    desc("exeunt_queue_jobs", "Jobs that are to be worked, over all nodes.", "queue", "state"),
		sessions: desc("exeunt_sessions_live", "Sessions that live."),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.backlog, c.oldest, c.breaker, c.inFlight, c.queue, c.sessions} {
		ch <- d
	}
}

// gauges are values by client, channel and, where there is one, state.
type gauges map[[3]string]float64

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	s, err := c.state()
	if err != nil {
		gauge(c.up, 0)
		return
	}
	gauge(c.up, 1)
	// Clients without a label of their own are one: what is counted is added, of what is old or open the worst remains.
	waiting, oldest, open, running := gauges{}, gauges{}, gauges{}, gauges{}
	for _, b := range s.Backlog {
		key := [3]string{c.label(b.ClientID), b.Channel, b.State}
		waiting[key] += float64(b.Count)
		if b.State == "pending" || b.State == "retrying" {
			oldest[key] = max(oldest[key], b.Oldest.Seconds())
		}
	}
	for _, b := range s.Breakers {
		key, is := [3]string{c.label(b.ClientID), b.Channel}, 0.0
		if b.Open {
			is = 1
		}
		open[key] = max(open[key], is)
	}
	for _, f := range s.InFlight {
		running[[3]string{c.label(f.ClientID), f.Channel}] += float64(f.Count)
	}
	for key, value := range waiting {
		gauge(c.backlog, value, key[:]...)
	}
	for key, value := range oldest {
		gauge(c.oldest, value, key[:]...)
	}
	for key, value := range open {
		gauge(c.breaker, value, key[:2]...)
	}
	for key, value := range running {
		gauge(c.inFlight, value, key[:2]...)
	}
	for _, q := range s.Queues {
		gauge(c.queue, float64(q.Jobs), q.Name, q.State)
	}
	gauge(c.sessions, float64(s.Sessions))
}

func (c *stateCollector) state() (State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.readAt) < stateLife {
		return c.last, c.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
	defer cancel()
	c.last, c.err = c.read(ctx)
	c.readAt = time.Now()
	return c.last, c.err
}

// poolCollector reads how busy the pools are, which costs nothing.
type poolCollector struct{ pools func() []Pool }

var (
	poolConnections = prometheus.NewDesc("exeunt_database_connections", "Connections of a pool, by what they do.", []string{"pool", "state"}, nil)
	poolMax         = prometheus.NewDesc("exeunt_database_connections_max", "Connections that a pool may open.", []string{"pool"}, nil)
	poolWaits       = prometheus.NewDesc("exeunt_database_waits_total", "How often somebody waited for a connection.", []string{"pool"}, nil)
	poolWaited      = prometheus.NewDesc("exeunt_database_wait_seconds_total", "How long they waited in all.", []string{"pool"}, nil)
)

// Describe implements prometheus.Collector.
func (p poolCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolConnections, poolMax, poolWaits, poolWaited} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p poolCollector) Collect(ch chan<- prometheus.Metric) {
	for _, pool := range p.pools() {
		ch <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(pool.InUse), pool.Name, "in_use")
		ch <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(pool.Idle), pool.Name, "idle")
		ch <- prometheus.MustNewConstMetric(poolMax, prometheus.GaugeValue, float64(pool.Max), pool.Name)
		ch <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(pool.Waits), pool.Name)
		ch <- prometheus.MustNewConstMetric(poolWaited, prometheus.CounterValue, pool.Waited.Seconds(), pool.Name)
	}
}
