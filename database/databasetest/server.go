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

func start() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	removeStale()
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	attr, err := unprivileged(dir)
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "exeunt", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	var log bytes.Buffer
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
	server.SysProcAttr, server.Dir, server.Stderr = dieWithParent(attr), dir, &log
	if err := startPinned(server); err != nil {
		return "", err
	}
	url := fmt.Sprintf("postgres://exeunt@127.0.0.1:%d/postgres?sslmode=disable", port)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		if err = execute(ctx, url, "SELECT 1"); err == nil {
			return url, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("PostgreSQL did not start: %w: %s", err, log.String())
		case <-time.After(20 * time.Millisecond):
		}
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

// startPinned starts the command from a thread that lives as long as the test binary: the kernel ends the child with the thread.
func startPinned(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
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
