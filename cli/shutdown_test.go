//go:build unix

package cli_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

// writeCertificate makes a self-signed certificate for localhost and writes it with its key into a folder.
func writeCertificate(t *testing.T, folder string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return cert, key
}

// dialer opens connections as a client that believes every certificate.
func dialer(secure bool, protocols ...string) func(t *testing.T, at string) net.Conn {
	return func(t *testing.T, at string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", at)
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		if !secure {
			return conn
		}
		client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: protocols})
		must(t, client.HandshakeContext(t.Context()))
		return client
	}
}

func TestServeTLS(t *testing.T) {
	folder := t.TempDir()
	cert, key := writeCertificate(t, folder, 1)
	file := write(t, "exeunt.yaml", fmt.Sprintf("issuer: http://localhost:8080\nlisten: \"127.0.0.1:0\"\ndatabase: %q\ntls: {cert_file: %q, key_file: %q}\n",
		databasetest.SQLiteURL(t), cert, key))
	node := start(t, "serve", "--config", file)
	at := node.ready(t)
	serial := func() int64 {
		t.Helper()
		conn := dialer(true, "h2", "http/1.1")(t, at).(*tls.Conn)
		defer func() { _ = conn.Close() }()
		state := conn.ConnectionState()
		if state.NegotiatedProtocol != "h2" || state.Version < tls.VersionTLS12 {
			t.Errorf("%s over TLS %x", state.NegotiatedProtocol, state.Version)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d", n)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+at+"/healthz", http.NoBody)
	must(t, err)
	res, err := client.Do(req)
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("%s over HTTP/%d", res.Status, res.ProtoMajor)
	}

	// Half of a renewal: the certificate stays.
	must(t, os.WriteFile(cert, []byte("not yet"), 0o600))
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	node.stderr.line(t, "cannot be used; going on with the one before it")
	if n := serial(); n != 1 {
		t.Errorf("certificate %d after half of a renewal", n)
	}
	writeCertificate(t, folder, 2)
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	node.stderr.line(t, "certificate renewed")
	if n := serial(); n != 2 {
		t.Errorf("certificate %d after the renewal", n)
	}

	must(t, os.Remove(key))
	run(t, nil, "serve", "--config", file).check(t, 1, nil, []string{"exeunt serve: tls.key_file: ", "readable PEM file"})
}

// Requests that run when the end is asked for get their answers, over plain connections and TLS: each has sent its head and half of its
// body, and the server has said that it reads it, when the end begins; the other half follows after.
func TestEndLosesNoRequest(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", secure), func(t *testing.T) {
			databasetest.EachURL(t, func(t *testing.T, url string) {
				content := siteFile
				if secure {
					cert, key := writeCertificate(t, t.TempDir(), 1)
					content += fmt.Sprintf("tls: {cert_file: %q, key_file: %q}\n", cert, key)
				}
				node := start(t, "serve", "--config", write(t, "exeunt.yaml", fmt.Sprintf(content, url, "http://localhost/", "http://localhost/")))
				at := node.ready(t)
				const body = "grant_type=authorization_code&code=x&redirect_uri=http://localhost/shop"
				credentials := base64.StdEncoding.EncodeToString([]byte("shop:a-secret-that-is-long-enough-for-this"))
				dial := dialer(secure, "http/1.1")
				conns := make([]net.Conn, 20)
				readers := make([]*bufio.Reader, len(conns))
				for i := range conns {
					conns[i] = dial(t, at)
					defer func() { _ = conns[i].Close() }()
					readers[i] = bufio.NewReader(conns[i])
					_, err := fmt.Fprintf(conns[i], "POST /token HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
						"Authorization: Basic %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", credentials, len(body))
					must(t, err)
					line, err := readers[i].ReadString('\n')
					must(t, err)
					if !strings.Contains(line, "100 Continue") {
						t.Fatalf("the server says %q", line)
					}
					_, err = readers[i].ReadString('\n')
					must(t, err)
					_, err = io.WriteString(conns[i], body[:40])
					must(t, err)
				}
				node.stop()
				node.stderr.line(t, "ending: finishing the requests that run")
				var group sync.WaitGroup
				for i := range conns {
					group.Go(func() {
						if _, err := io.WriteString(conns[i], body[40:]); err != nil {
							t.Error(err)
							return
						}
						res, err := http.ReadResponse(readers[i], nil)
						if err != nil {
							t.Errorf("request %d is lost: %v", i, err)
							return
						}
						answer, err := io.ReadAll(res.Body)
						_ = res.Body.Close()
						// The code is nobody's: that the server could say so shows that its database was still open.
						if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), "invalid_grant") {
							t.Errorf("request %d: %s, %v: %s", i, res.Status, err, answer)
						}
					})
				}
				group.Wait()
				if code, err := node.end(); err != nil || code != 0 {
					t.Errorf("exit code %d, %v", code, err)
				}
			})
		})
	}
}
