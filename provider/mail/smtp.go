package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// The values of Config.TLS.
const (
	STARTTLS = "starttls" // begins in clear and insists on TLS (RFC 3207)
	Implicit = "implicit" // TLS from the first byte (RFC 8314, 3.3)
	None     = "none"
)

// Config is a mail server and who writes.
type Config struct {
	Address  string // host and port
	From     string // an address, or Name <address>
	Username string // empty: no authentication
	Password string
	TLS      string         // STARTTLS, Implicit or None
	RootCAs  *x509.CertPool // nil: the system's
}

// timeout bounds each step of talking to the mail server.
const timeout = 15 * time.Second

// SMTP sends by a mail server. Each message has a connection of its own: there are few.
type SMTP struct {
	cfg    Config
	host   string
	port   int
	domain string // of the sender, for message ids
}

// New checks the configuration; it connects to nothing. Errors name the field.
func New(cfg Config) (*SMTP, error) {
	host, portText, err := net.SplitHostPort(cfg.Address)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil || host == "" || port == 0 {
		return nil, fmt.Errorf("mail: Config.Address: %q is not host:port", cfg.Address)
	}
	from, err := ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("mail: Config.From: %q %w", cfg.From, err)
	}
	s := &SMTP{cfg: cfg, host: host, port: int(port), domain: from[strings.LastIndexByte(from, '@')+1:]}
	_, err = s.client()
	return s, err
}

func (s *SMTP) client() (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(timeout), gomail.WithoutNoop(), gomail.WithoutRset(),
		gomail.WithTLSConfig(&tls.Config{ServerName: s.host, RootCAs: s.cfg.RootCAs, MinVersion: tls.VersionTLS12}),
	}
	switch s.cfg.TLS {
	case STARTTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		options = append(options, gomail.WithSSL())
	case None:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("mail: Config.TLS: %q is none of starttls, implicit and none", s.cfg.TLS)
	}
	if s.cfg.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.cfg.Username), gomail.WithPassword(s.cfg.Password))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return client, nil
}

// Send implements Sender.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	if err := m.check(); err != nil {
		return err
	}
	message, err := s.compose(m)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	// Whatever becomes of the connection afterwards, a message that was taken must not be sent again.
	defer func() { _ = client.CloseWithSMTPClient(connection) }()
	if err := client.SendWithSMTPClient(connection, message); err != nil {
		return judge(err)
	}
	return nil
}

// compose makes the headers: those of a mail that a machine wrote (RFC 3834, 5), so that no machine answers it.
func (s *SMTP) compose(m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	if err := message.From(s.cfg.From); err != nil {
		return nil, fmt.Errorf("mail: Config.From: %w", err)
	}
	if err := message.To(m.To); err != nil {
		return nil, &RefusedError{Reason: "the recipient " + errAddress.Error()}
	}
	message.Subject(oneLine(m.Subject))
	message.SetDateWithValue(m.At.UTC())
	message.SetMessageIDWithValue(m.ID + "@" + s.domain)
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	return message, nil
}

// judge tells what is refused for good from what may go well later. A sender that is refused, or credentials that are wrong, concern all
// messages and will be mended.
func judge(err error) error {
	var failed *gomail.SendError
	if !errors.As(err, &failed) {
		return fmt.Errorf("mail: %w", err)
	}
	about := failed.Reason == gomail.ErrSMTPRcptTo || failed.Reason == gomail.ErrSMTPData || failed.Reason == gomail.ErrSMTPDataClose
	if about && !failed.IsTemp() && failed.ErrorCode() >= 500 {
		return &RefusedError{Reason: fmt.Sprintf("the mail server answered %d", failed.ErrorCode())}
	}
	// In our words: its own text names the recipient, and goes into a log.
	text, _, _ := strings.Cut(failed.Error(), ", affected recipient")
	if failed.ErrorCode() != 0 {
		text = fmt.Sprintf("%v: the mail server answered %d", failed.Reason, failed.ErrorCode())
	}
	return errors.New("mail: " + text)
}
