package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Setup describes a provider process.
type Setup struct {
	Binary   string         // the exeunt executable
	Dir      string         // for its configuration file
	Database string         // URL
	Clients  []Client       // its relying parties
	Users    int            // how many; they are called user-0, user-1, ...
	Extra    map[string]any // further top-level configuration, for example logout: {wait: 0s}
	Host     string         // of the issuer; "" is localhost
	Port     int            // 0: a free one is chosen and kept over restarts
	Issuer   string         // of several nodes behind a Balancer; "" is made of Host and Port

	// Registered replaces the registrations of Clients, for parties that need other metadata.
	Registered []map[string]any
}

// Password is that of every user of a Setup.
const Password = "correct horse battery staple"

// Client is a relying party's registration, as far as the driver needs it.
type Client struct {
	ID          string
	Secret      string
	RedirectURI string
	LogoutURI   string // back-channel
	Alg         string // of its ID and logout tokens
	Refresh     bool
}

// Process is a running provider.
type Process struct {
	Issuer string
	setup  Setup
	cmd    *exec.Cmd
	log    *lockedBuffer
	ended  chan struct{} // closed when the process is gone
	exit   error         // then: what it said
}

// Start writes the configuration, starts the provider and waits until its discovery document answers 200.
func Start(ctx context.Context, s Setup) (*Process, error) {
	if s.Port == 0 {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		s.Port = port
	}
	if s.Host == "" {
		s.Host = "localhost"
	}
	p := &Process{Issuer: s.Issuer, setup: s}
	if p.Issuer == "" {
		p.Issuer = fmt.Sprintf("http://%s:%d", s.Host, s.Port)
	}
	text, err := json.MarshalIndent(p.config(), "", "  ")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(s.Dir, "exeunt.yaml") // YAML 1.2 contains JSON
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	return p, p.Restart(ctx)
}

func (p *Process) config() map[string]any {
	s := p.setup
	users := make([]map[string]any, s.Users)
	for i := range users {
		users[i] = map[string]any{"username": fmt.Sprintf("user-%d", i), "password": Password, "email": fmt.Sprintf("user-%d@example.com", i)}
	}
	clients := make([]map[string]any, len(s.Clients))
	for i, c := range s.Clients {
		grants := []string{"authorization_code"}
		if c.Refresh {
			grants = append(grants, "refresh_token")
		}
		clients[i] = map[string]any{
			"client_id": c.ID, "client_secret": c.Secret, "client_name": c.ID, "redirect_uris": []string{c.RedirectURI}, "grant_types": grants,
			"backchannel_logout_uri": c.LogoutURI, "backchannel_logout_session_required": true, "id_token_signed_response_alg": c.Alg, "skip_consent": true,
		}
	}
	if s.Registered != nil {
		clients = s.Registered
	}
	cfg := map[string]any{
		"issuer": p.Issuer, "listen": p.Address(), "admin_listen": "", "database": s.Database, "users": users, "clients": clients,
		"log": map[string]any{"level": "warn"},
	}
	for key, value := range s.Extra {
		cfg[key] = value
	}
	return cfg
}

// ErrStopped says that the provider ended while it started: it prints why.
var ErrStopped = errors.New("driver: the provider stopped at once")

// Running reports whether the process is there.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Restart starts the provider again on its database and port, after Kill or Stop.
func (p *Process) Restart(ctx context.Context) error {
	p.log = &lockedBuffer{}
	p.cmd = exec.Command(p.setup.Binary, "serve", "--config", filepath.Join(p.setup.Dir, "exeunt.yaml"))
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EXEUNT_") }) // the file alone counts
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.ended = make(chan struct{})
	go func() {
		p.exit = p.cmd.Wait()
		close(p.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !answers(ctx, "http://"+p.Address()+"/readyz") {
		select {
		case <-p.ended:
			return fmt.Errorf("%w: %w: %s", ErrStopped, p.exit, p.log)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("driver: the provider does not answer: %s", p.log), p.Kill())
		case <-tick.C:
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Kill is kill -9. It returns when the process is gone.
func (p *Process) Kill() error { return p.signal(syscall.SIGKILL) }

// Stop asks the process to end, as an operator does, and waits for it.
func (p *Process) Stop() error { return p.signal(syscall.SIGTERM) }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return err
	}
	select {
	case <-p.ended:
		var exit *exec.ExitError
		if s == syscall.SIGKILL && errors.As(p.exit, &exit) {
			return nil
		}
		return p.exit
	case <-time.After(30 * time.Second):
		return fmt.Errorf("driver: the provider ignores %s: %s", s, p.log)
	}
}

// Address returns the host and port that it listens on.
func (p *Process) Address() string { return fmt.Sprintf("127.0.0.1:%d", p.setup.Port) }

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns what the process has printed since its last start.
func (p *Process) Log() string { return p.log.String() }

// FreePort returns a TCP port that nobody listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}
