package databasetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// errAbsent says that this machine has no PostgreSQL server.
var errAbsent = errors.New("no PostgreSQL server is installed (Debian: apt-get install postgresql)")

var startOnce = sync.OnceValues(start)

// server returns the URL of the test binary's PostgreSQL.
func server(t testing.TB) string {
	t.Helper()
	url, err := startOnce()
	if errors.Is(err, errAbsent) && os.Getenv("EXEUNT_TEST_REQUIRE") == "" {
		t.Skipf("SKIPPED, NOT TESTED ON POSTGRESQL: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// start starts the server that the tests of a binary share. It forgets when it crashes, for it never does.
func start() (string, error) {
	s, err := newServer("fsync=off", "synchronous_commit=off", "full_page_writes=off")
	if err != nil {
		return "", err
	}
	return s.URL(), nil
}

// Server is a PostgreSQL server of a test's own, which can crash and come back. What it has committed, it keeps.
type Server struct {
	bin, dir string
	attr     *syscall.SysProcAttr
	port     int
	settings []string
	process  *os.Process
	ended    chan struct{}
}

// NewServer starts a server that ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := newServer()
	if errors.Is(err, errAbsent) && os.Getenv("EXEUNT_TEST_REQUIRE") == "" {
		t.Skipf("SKIPPED, NOT TESTED ON POSTGRESQL: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Crash(), os.RemoveAll(s.dir)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newServer(settings ...string) (*Server, error) {
	s := &Server{settings: settings}
	var err error
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	removeStale()
	if s.dir, err = os.MkdirTemp("", prefix); err != nil {
		return nil, err
	}
	if s.attr, err = unprivileged(s.dir); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "exeunt", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = s.attr, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	return s, s.Start()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Address returns its host and port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns the URL of its first database.
func (s *Server) URL() string { return s.URLVia(s.Address()) }

// URLVia returns the URL for those who reach the server by another address.
func (s *Server) URLVia(address string) string {
	return "postgres://exeunt@" + address + "/postgres?sslmode=disable"
}

// Start starts it, on the same port and data if it ran before, and returns when it answers.
func (s *Server) Start() error {
	args := []string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	var log bytes.Buffer
	server := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	server.SysProcAttr, server.Dir, server.Stderr = dieWithParent(s.attr), s.dir, &log
	s.ended = make(chan struct{})
	if err := startPinned(server, s.ended); err != nil {
		return err
	}
	s.process = server.Process
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := execute(ctx, s.URL(), "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("PostgreSQL ended at once: %s", log.String())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not start: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Crash ends it at once, with every transaction that runs; Start recovers what was committed.
func (s *Server) Crash() error {
	// SIGQUIT is the immediate shutdown: the processes end where they stand, and nothing is written any more.
	if err := s.process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("PostgreSQL does not end")
	}
}

// prefix names the servers' folders.
const prefix = "exeunt-postgres-"

// removeStale deletes what the servers of earlier test binaries left, which die with them and cannot clean up.
func removeStale() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue // perhaps being made right now
		}
		if pid, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid")); err == nil {
			first, _, _ := bytes.Cut(pid, []byte("\n"))
			if n, err := strconv.Atoi(string(first)); err == nil && !errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
				continue
			}
		}
		_ = os.RemoveAll(dir)
	}
}

// startPinned starts the command from a thread that lives as long as the child: the kernel ends the child with the thread.
func startPinned(cmd *exec.Cmd, ended chan<- struct{}) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(ended)
		}
	}()
	return <-started
}

func binaries() (string, error) {
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); err == nil && len(found) > 0 {
		slices.Sort(found)
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errAbsent
	}
	return filepath.Dir(path), nil
}

// unprivileged lets root start the server as the user postgres, because it refuses to run as root.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: it will not run as root and there is no user postgres", errAbsent)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}
