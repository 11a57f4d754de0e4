// Command tessera measures what Tessera's POSIX log takes: entries of one size, kept many under way, until each has its index and the
// checkpoint covers them all. It prints one line of JSON.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	dir := flag.String("dir", "", "empty directory for the log")
	leaves := flag.Int("leaves", 200_000, "entries to add")
	size := flag.Int("bytes", 1200, "bytes of an entry")
	batch := flag.Uint("batch", 1024, "entries of a batch")
	inFlight := flag.Int("in-flight", 8192, "entries under way at a time")
	flag.Parse()
	if err := run(*dir, *leaves, *size, *batch, *inFlight); err != nil {
		log.Fatal(err)
	}
}

func run(dir string, leaves, size int, batch uint, inFlight int) error {
	ctx := context.Background()
	secret, public, err := note.GenerateKey(rand.Reader, "bench.example/tessera")
	if err != nil {
		return err
	}
	_ = public
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return err
	}
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(time.Second).
		WithBatching(batch, 100*time.Millisecond).
		WithPushback(uint(4*inFlight)))
	if err != nil {
		return err
	}
	entries := make([][]byte, leaves)
	for n := range entries {
		entries[n] = make([]byte, size)
		if _, err := rand.Read(entries[n]); err != nil {
			return err
		}
	}
	places := make(chan struct{}, inFlight)
	errs := make(chan error, 1)
	var group sync.WaitGroup
	started := time.Now()
	for _, entry := range entries {
		places <- struct{}{}
		future := appender.Add(ctx, tessera.NewEntry(entry))
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := future(); err != nil {
				select {
				case errs <- err:
				default:
				}
			}
			<-places
		}()
	}
	group.Wait()
	integrated := time.Since(started)
	if err := shutdown(ctx); err != nil {
		return err
	}
	select {
	case err := <-errs:
		return err
	default:
	}
	seconds := integrated.Seconds()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"leaves": float64(leaves), "seconds": seconds, "leavesPerSecond": float64(leaves) / seconds,
	}); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
