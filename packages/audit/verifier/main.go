// Verifies a copy of a log with nothing of Writ's: the Go project's own signed notes and Merkle trees, and this file.
//
//	go run . -vkey '<the log's vkey>' DIR
//
// DIR is the folder of one epoch, with checkpoint and tile/ in it (C2SP tlog-tiles 0.1.0). Get the vkey from whoever runs the log, not from
// the copy. What is checked: the signature of the checkpoint, every entry, every hash tile, the root, and every earlier checkpoint of
// DIR.meta/checkpoints. What is not: what the entries say; see README-verify.txt.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256 // hashes in a full tile

type checkpoint struct {
	size int64
	root tlog.Hash
}

// open verifies a signed checkpoint (C2SP tlog-checkpoint 1.0.0).
func open(signed []byte, key note.Verifier) (checkpoint, error) {
	opened, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		return checkpoint{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != key.Name() {
		return checkpoint{}, errors.New("the checkpoint is about another log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return checkpoint{}, errors.New("the checkpoint has no size")
	}
	root, err := tlog.ParseHash(lines[2])
	return checkpoint{size, root}, err
}

// tree is what a Merkle tree (RFC 6962) needs to grow: the roots of its full subtrees, and of each level of tiles what has not filled a tile.
type tree struct {
	dir    string
	size   int64
	hashes map[int64]tlog.Hash // by tlog.StoredHashIndex, of subtrees that are still needed
	levels [][]byte
}

// add takes in a leaf, and compares each tile with the one in the copy when it is full.
func (t *tree) add(leaf tlog.Hash) error {
	stored, err := tlog.StoredHashesForRecordHash(t.size, leaf, tlog.HashReaderFunc(t.read))
	if err != nil {
		return err
	}
	at := tlog.StoredHashIndex(0, t.size)
	for i, hash := range stored {
		t.hashes[at+int64(i)] = hash
		if i > 0 { // Its two halves: the right one was just made, the left one was kept for this.
			level, n := tlog.SplitStoredHashIndex(at + int64(i))
			delete(t.hashes, tlog.StoredHashIndex(level-1, 2*n))
			delete(t.hashes, tlog.StoredHashIndex(level-1, 2*n+1))
		}
	}
	t.size++
	return t.inTile(0, leaf)
}

func (t *tree) inTile(level int, hash tlog.Hash) error {
	if len(t.levels) == level {
		t.levels = append(t.levels, nil)
	}
	t.levels[level] = append(t.levels[level], hash[:]...)
	if len(t.levels[level]) < width*tlog.HashSize {
		return nil
	}
	n := t.size>>(8*(level+1)) - 1
	if err := t.compare(tilePath(strconv.Itoa(level), n, width), t.levels[level]); err != nil {
		return err
	}
	t.levels[level] = nil
	root, err := t.hashOf(8*(level+1), n)
	if err != nil {
		return err
	}
	return t.inTile(level+1, root)
}

// hashOf is the root of a full subtree, which may have been folded into a larger one already: then the tile's own hashes give it.
func (t *tree) hashOf(level int, n int64) (tlog.Hash, error) {
	if hash, ok := t.hashes[tlog.StoredHashIndex(level, n)]; ok {
		return hash, nil
	}
	tile, err := os.ReadFile(filepath.Join(t.dir, tilePath(strconv.Itoa(level/8-1), n, width)))
	if err != nil {
		return tlog.Hash{}, err
	}
	hashes := make([]tlog.Hash, 0, width)
	for at := 0; at < len(tile); at += tlog.HashSize {
		hashes = append(hashes, tlog.Hash(tile[at:at+tlog.HashSize]))
	}
	for len(hashes) > 1 {
		for i := range hashes[:len(hashes)/2] {
			hashes[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
		}
		hashes = hashes[:len(hashes)/2]
	}
	return hashes[0], nil
}

func (t *tree) read(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hash, ok := t.hashes[index]
		if !ok {
			return nil, fmt.Errorf("the hash %d is not there", index)
		}
		found[i] = hash
	}
	return found, nil
}

func (t *tree) root() (tlog.Hash, error) { return tlog.TreeHash(t.size, tlog.HashReaderFunc(t.read)) }

// compare holds a tile of the copy against what follows from the entries.
func (t *tree) compare(path string, want []byte) error {
	got, err := os.ReadFile(filepath.Join(t.dir, path))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is not what follows from the entries", path)
	}
	return nil
}

// partial compares the tiles that are not full.
func (t *tree) partial() error {
	for level, hashes := range t.levels {
		if len(hashes) == 0 {
			continue
		}
		if err := t.compare(tilePath(strconv.Itoa(level), t.size>>(8*(level+1)), len(hashes)/tlog.HashSize), hashes); err != nil {
			return err
		}
	}
	return nil
}

// tilePath is C2SP tlog-tiles: 1234067 is x001/x234/067.
func tilePath(level string, n int64, w int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if w < width {
		path = fmt.Sprintf("%s.p/%d", path, w)
	}
	return filepath.Join("tile", level, path)
}

// entries reads a bundle: each entry after its length in two bytes.
func entries(bundle []byte) (found [][]byte, err error) {
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			return nil, errors.New("a bundle ends within an entry")
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		found, bundle = append(found, bundle[2:end]), bundle[end:]
	}
	return found, nil
}

// copies are the checkpoints of all seals, by size.
func copies(dir string, key note.Verifier) (map[int64]tlog.Hash, error) {
	files, err := os.ReadDir(filepath.Join(dir+".meta", "checkpoints"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	found := map[int64]tlog.Hash{}
	for _, file := range files {
		signed, err := os.ReadFile(filepath.Join(dir+".meta", "checkpoints", file.Name()))
		if err != nil {
			return nil, err
		}
		tree, err := open(signed, key)
		if err != nil {
			return nil, fmt.Errorf("checkpoints/%s: %w", file.Name(), err)
		}
		found[tree.size] = tree.root
	}
	return found, err
}

func verify(dir string, key note.Verifier) (head checkpoint, earlier int, err error) {
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return head, 0, err
	}
	if head, err = open(signed, key); err != nil {
		return head, 0, fmt.Errorf("checkpoint: %w", err)
	}
	due, err := copies(dir, key)
	if err != nil {
		return head, 0, err
	}
	for size := range due {
		if size > head.size {
			return head, 0, fmt.Errorf("the checkpoint shows size %d, and one of size %d was signed: it was put back, or the log grew while it was copied (copy it again)", head.size, size)
		}
	}
	t := &tree{dir: dir, hashes: map[int64]tlog.Hash{}}
	for n := int64(0); t.size < head.size; n++ {
		w := int(min(width, head.size-t.size))
		path := tilePath("entries", n, w)
		bundle, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil && w < width { // A reader falls back on the full one, which supersedes it.
			bundle, err = os.ReadFile(filepath.Join(dir, tilePath("entries", n, width)))
		}
		if err != nil {
			return head, earlier, err
		}
		leaves, err := entries(bundle)
		if err != nil || len(leaves) < w {
			return head, earlier, fmt.Errorf("%s is not a bundle of %d entries", path, w)
		}
		for _, leaf := range leaves[:w] {
			if err := t.add(tlog.RecordHash(leaf)); err != nil {
				return head, earlier, err
			}
			want, signed := due[t.size]
			if !signed {
				continue
			}
			if root, err := t.root(); err != nil || root != want {
				return head, earlier, fmt.Errorf("at size %d another root was signed than the entries give", t.size)
			}
			earlier++
		}
	}
	if err := t.partial(); err != nil {
		return head, earlier, err
	}
	root, err := t.root()
	if err == nil && root != head.root {
		err = errors.New("the entries do not give the root that was signed")
	}
	return head, earlier, err
}

func main() {
	vkey := flag.String("vkey", "", "the log's key, from whoever runs the log")
	flag.Parse()
	if flag.NArg() != 1 || *vkey == "" {
		fmt.Fprintln(os.Stderr, "usage: go run . -vkey '<vkey>' DIR")
		os.Exit(2)
	}
	key, err := note.NewVerifier(strings.TrimSpace(*vkey))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	head, earlier, err := verify(strings.TrimRight(flag.Arg(0), "/"), key)
	if err != nil {
		fmt.Fprintln(os.Stderr, "NOT VERIFIED:", err)
		os.Exit(1)
	}
	fmt.Printf("verified: %s, %d entries, root %s, %d checkpoints\n", key.Name(), head.size, base64.StdEncoding.EncodeToString(head.root[:]), earlier)
}
