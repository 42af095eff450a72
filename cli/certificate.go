package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/exeunt-id/exeunt/config"
)

// certificateEvery is how soon a renewed certificate is noticed without a signal.
const certificateEvery = 10 * time.Second

// certificate is the server's own, as its files say now.
type certificate struct {
	files   config.TLS
	log     *slog.Logger
	read    []byte // of both files, when they were last looked at
	current atomic.Pointer[tls.Certificate]
}

// newCertificate reads the files. Errors name the keys.
func newCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log}
	_, err := c.reload()
	return c, err
}

// reload reads the files if they have changed since it last did. What cannot be used leaves the certificate as it was.
func (c *certificate) reload() (changed bool, err error) {
	chain, err := os.ReadFile(c.files.CertFile)
	if err != nil {
		return false, fmt.Errorf("tls.cert_file: %w; give the path of a readable PEM file", err)
	}
	key, err := os.ReadFile(c.files.KeyFile)
	if err != nil {
		return false, fmt.Errorf("tls.key_file: %w; give the path of a readable PEM file", err)
	}
	both := bytes.Join([][]byte{chain, key}, []byte{0})
	if bytes.Equal(both, c.read) {
		return false, nil
	}
	c.read = both
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return false, fmt.Errorf("tls.cert_file and tls.key_file: %w; both must be PEM and belong together", err)
	}
	c.current.Store(&pair)
	return true, nil
}

// watch begins to reload, in the background until ctx is done: at SIGHUP, and every few seconds, because whoever renews a certificate seldom
// says so.
func (c *certificate) watch(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go c.reloadAt(ctx, hangup)
}

func (c *certificate) reloadAt(ctx context.Context, hangup chan os.Signal) {
	defer signal.Stop(hangup)
	ticker := time.NewTicker(certificateEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case <-ticker.C:
		}
		switch changed, err := c.reload(); {
		case err != nil:
			// A renewal writes two files: the next look finds both.
			c.log.Warn("the renewed certificate cannot be used; going on with the one before it", "error", err)
		case changed:
			c.log.Info("certificate renewed", "expires", c.current.Load().Leaf.NotAfter.UTC())
		}
	}
}

// listener makes a listener speak TLS 1.2 and newer (RFC 9325, 3.1.1) with HTTP/2 and 1.1.
func (c *certificate) listener(inner net.Listener) net.Listener {
	return tls.NewListener(inner, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	})
}
