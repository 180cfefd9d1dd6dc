/* SPDX-License-Identifier: MIT */
/* The protocols of lines over an in-memory connection: each command, flag and error; each conversation whole, cut at every byte,
 * and all of them in one stream. In what is expected a '*' stands for a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base64.h"
#include "loop.h"

#include <ctype.h>

int test_binary(void); /* test_binary.c */

enum { ITEM_MAX = 256 * 1024, CASE_MAX = 8192 };

#define KEY50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY250 KEY50 KEY50 KEY50 KEY50 KEY50
#define BAD_FORMAT "CLIENT_ERROR bad command line format\r\n"
#define ERROR "ERROR\r\n"

struct conversation {
    const char *input, *answer;
};

static const struct conversation classic[] = {
    {"get a\r\n", "END\r\n"},
    {"get a\n", "END\r\n"},
    {"set a 5 0 3\r\nabc\r\nget a\r\n", "STORED\r\nVALUE a 5 3\r\nabc\r\nEND\r\n"},
    {"set a 5 0 0\r\n\r\nget a b a\r\n", "STORED\r\nVALUE a 5 0\r\n\r\nVALUE a 5 0\r\n\r\nEND\r\n"},
    {"set a 0 0 1\r\n1\r\ngets a\r\nget  a \r\nbget a\r\n",
     "STORED\r\nVALUE a 0 1 *\r\n1\r\nEND\r\nVALUE a 0 1\r\n1\r\nEND\r\nVALUE a 0 1\r\n1\r\nEND\r\n"},
    {"set a 0 0 1\r\n1\r\nget a\r\nget b\r\nget a\r\nget a a\r\n",
     "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\nEND\r\nVALUE a 0 1\r\n1\r\nEND\r\n"
     "VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n"},
    {"set b 0 0 1\r\n2\r\nget a a a a a a a a a a a a a a a a b a a a a a a a a a a a a a a a a a a a a b\r\n",
     "STORED\r\nVALUE b 0 1\r\n2\r\nVALUE b 0 1\r\n2\r\nEND\r\n"},
    {"set " KEY250 " 0 0 1\r\n1\r\nget " KEY250 "\r\n", "STORED\r\nVALUE " KEY250 " 0 1\r\n1\r\nEND\r\n"},
    {"set " KEY250 "k 0 0 1\r\nget " KEY250 "k\r\n", BAD_FORMAT BAD_FORMAT},
    {"set a 0 0 1\r\n1\r\nget a\r\nget a " KEY250 "k a\r\nget a\r\n",
     "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n" BAD_FORMAT "VALUE a 0 1\r\n1\r\nEND\r\n"},
    {"set a 0 0 1\r\n1\r\nget a a a a a a a a a a a a a a a a a a a " KEY250 "k\r\nget a\r\n",
     "STORED\r\n" BAD_FORMAT "VALUE a 0 1\r\n1\r\nEND\r\n"},
    {"get\r\nget \r\ngets\r\ngat\r\ngat 0\r\ngat x a\r\n",
     ERROR ERROR ERROR ERROR "END\r\nCLIENT_ERROR invalid exptime argument\r\n"},
    {"set a 0 0 1\r\n1\r\ngat 100 a b\r\ngats 100 a\r\nmg a t\r\n",
     "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\nVALUE a 0 1 *\r\n1\r\nEND\r\nHD t*\r\n"},
    {"set a 0 0 1\r\n1\r\ngat -1 a a\r\n", "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n"},
    {"add a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nget a\r\n",
     "STORED\r\nNOT_STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n"},
    {"replace a 0 0 1\r\n1\r\nset a 0 0 1\r\n1\r\nreplace a 0 0 1\r\n2\r\nget a\r\n",
     "NOT_STORED\r\nSTORED\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n"},
    {"append a 0 0 1\r\n1\r\nset a 9 0 1\r\n2\r\nappend a 0 0 1\r\n3\r\nprepend a 0 0 1\r\n1\r\nget a\r\n",
     "NOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\nVALUE a 9 3\r\n123\r\nEND\r\n"},
    {"prepend a 0 0 1\r\n1\r\n", "NOT_STORED\r\n"},
    {"cas a 0 0 1 1\r\n1\r\nset a 0 0 1\r\n1\r\ncas a 0 0 1 999999999\r\n2\r\ncas a 0 0 1 0\r\n2\r\n",
     "NOT_FOUND\r\nSTORED\r\nEXISTS\r\nEXISTS\r\n"},
    {"cas b 0 0 1 0\r\n2\r\ncas a 0 0 1 x\r\ncas a 0 0 1\r\n", "NOT_FOUND\r\n" BAD_FORMAT ERROR},
    {"set a 0 0 1 noreply\r\n1\r\nget a\r\nset a 0 0 1 reply\r\n2\r\n",
     "VALUE a 0 1\r\n1\r\nEND\r\nSTORED\r\n"},
    {"set a x 0 1\r\nset a 0 x 1\r\nset a 0 0 x\r\nset a 0 0 -1\r\nset a 0 0 2147483646\r\n",
     BAD_FORMAT BAD_FORMAT BAD_FORMAT BAD_FORMAT BAD_FORMAT},
    {"set a x 0 1 noreply\r\nset a 0 0\r\nset a 0 0 1 2 3\r\nset a -1 0 1\r\n", ERROR ERROR BAD_FORMAT},
    {"set a 4294967296 0 1\r\n1\r\nget a\r\nset a 18446744073709551616 0 1\r\n",
     "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n" BAD_FORMAT},
    {"set a 4294967295 0 1\r\n1\r\nget a\r\n", "STORED\r\nVALUE a 4294967295 1\r\n1\r\nEND\r\n"},
    {"set a 0 -1 1\r\n1\r\nget a\r\n", "STORED\r\nEND\r\n"},
    {"set a 0 0 1\r\n123\r\nget a\r\n", "CLIENT_ERROR bad data chunk\r\n" ERROR "END\r\n"},
    {"set a 0 0 3 noreply\r\n12345\r\nget a\r\n", ERROR "END\r\n"},
    {"set a 0 0 1\r\n1\r\nset a 0 0 262145\r\nget a\r\n",
     "STORED\r\nSERVER_ERROR object too large for cache\r\n"},
    {"set a 0 0 2\r\n10\r\nincr a 5\r\ndecr a 6\r\nget a\r\nincr a 18446744073709551615\r\n",
     "STORED\r\n15\r\n9\r\nVALUE a 0 2\r\n9 \r\nEND\r\n8\r\n"},
    {"set a 0 0 2\r\n10\r\ndecr a 11\r\nincr a 1 noreply\r\nincr a 1\r\n", "STORED\r\n0\r\n2\r\n"},
    {"incr a 1\r\ndecr a 1\r\nincr a x\r\nincr a -1\r\nincr a\r\nincr a 1 2 3\r\n",
     "NOT_FOUND\r\nNOT_FOUND\r\nCLIENT_ERROR invalid numeric delta argument\r\n"
     "CLIENT_ERROR invalid numeric delta argument\r\n" ERROR ERROR},
    {"set a 0 0 1\r\nx\r\nincr a 1\r\n",
     "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
    {"incr " KEY250 "k 1\r\ntouch " KEY250 "k 1\r\ndelete " KEY250 "k\r\n", BAD_FORMAT BAD_FORMAT BAD_FORMAT},
    {"delete a\r\nset a 0 0 1\r\n1\r\ndelete a\r\nget a\r\n", "NOT_FOUND\r\nSTORED\r\nDELETED\r\nEND\r\n"},
    {"set a 0 0 1\r\n1\r\ndelete a 0\r\ndelete a noreply\r\ndelete a 0 noreply\r\ndelete\r\ndelete a 0 0 0\r\n",
     "STORED\r\nDELETED\r\n" ERROR ERROR},
    {"delete a 5\r\n", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"},
    {"touch a 0\r\nset a 0 0 1\r\n1\r\ntouch a 100\r\ntouch a x\r\ntouch a\r\ntouch a -1 noreply\r\nget a\r\n",
     "NOT_FOUND\r\nSTORED\r\nTOUCHED\r\nCLIENT_ERROR invalid exptime argument\r\n" ERROR "END\r\n"},
    {"set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\nflush_all noreply\r\nflush_all 0\r\nflush_all x\r\n",
     "STORED\r\nOK\r\nEND\r\nOK\r\nCLIENT_ERROR invalid exptime argument\r\n"},
    {"flush_all 0 noreply\r\nflush_all 1 2 3\r\nflush_all -1\r\n", ERROR "OK\r\n"},
    {"verbosity 1\r\nverbosity\r\nverbosity x\r\nverbosity 0 noreply\r\nverbosity 9\r\nverbosity noreply\r\n",
     "OK\r\n" ERROR BAD_FORMAT "OK\r\n"},
    {"version\r\n", "VERSION 1.6.18\r\n"},
    {"cache_memlimit\r\ncache_memlimit x\r\ncache_memlimit 1\r\ncache_memlimit 1000000001\r\ncache_memlimit 64\r\n",
     ERROR ERROR "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"
                 "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"
                 "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"},
    {"shutdown\r\nwatch\r\nrefresh_certs\r\n",
     "ERROR: shutdown not enabled\r\nCLIENT_ERROR watch commands not allowed\r\nError TLS not enabled\r\n"},
    {"slabs reassign 1 2\r\nslabs reassign 1 1\r\nslabs automove 1\r\nslabs automove 3\r\nslabs x\r\n",
     "BADCLASS invalid src or dst class id\r\nSAME src and dst class are identical\r\nOK\r\n" ERROR ERROR},
    {"lru_crawler enable\r\nlru_crawler crawl all\r\nlru_crawler sleep 9999999\r\nlru_crawler metadump all\r\n",
     "OK\r\nOK\r\nCLIENT_ERROR sleep must be one second or less\r\nEND\r\n"},
    {"lru_crawler metadump 64\r\nlru_crawler metadump x\r\nlru_crawler metadump\r\nlru_crawler metadump hash\r\n",
     "BADCLASS invalid class id\r\nBADCLASS invalid class id\r\n" ERROR "END\r\n"},
    {"ms YSBi 1 b\r\n1\r\nlru_crawler metadump all\r\nmn\r\nset c/d 9 100 2\r\n12\r\nstats cachedump 1 0\r\n",
     "HD\r\nkey=a%20b exp=-1 la=* cas=* fetch=no cls=1 size=*\nEND\r\nMN\r\n"
     "STORED\r\nITEM c/d [2 b; * s]\r\nEND\r\n"},
    {"stats cachedump\r\nstats cachedump 1\r\nstats cachedump 1 x\r\nstats cachedump 64 1\r\nstats cachedump 63 1\r\n",
     "CLIENT_ERROR bad command line\r\nCLIENT_ERROR bad command line\r\n" BAD_FORMAT
     "CLIENT_ERROR Illegal slab id\r\nEND\r\n"},
    {"set a 0 0 1\r\n1\r\nflush_all 1000000000\r\nget a\r\nflush_all 1000\r\nget a\r\nflush_all -1\r\nget a\r\n",
     "STORED\r\nOK\r\nVALUE a 0 1\r\n1\r\nEND\r\nOK\r\nVALUE a 0 1\r\n1\r\nEND\r\nOK\r\nEND\r\n"},
    {"lru mode flat\r\nlru mode x\r\nlru temp_ttl 9\r\nlru\r\n", "OK\r\n" ERROR "OK\r\n" ERROR},
    {"lru_crawler crawl 1,63\r\nlru_crawler crawl 64\r\nlru_crawler crawl 1,x\r\n",
     "OK\r\nBADCLASS invalid class id\r\nBADCLASS invalid class id\r\n"},
    {"lru tune 40 40 .5 1e1\r\nlru tune 41 40 1 1\r\nlru tune 1 1 1 0\r\nlru tune 1 1 1 1x\r\nlru tune 1 1 1\r\n",
     "OK\r\nERROR hot and warm pcts must not exceed 80\r\n"
     "ERROR hot/warm age factors must be greater than 0\r\n" ERROR ERROR},
    {"ma n N-1 J7 v t\r\nget n\r\n", "VA 1 t0\r\n7\r\nEND\r\n"},
    {"set a 0 0 0\r\n\r\nma a C1\r\n",
     "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
    {"\r\n\n \r\nx\r\nnonsense\r\nGETX\r\nseta a 0 0 1\r\n", ERROR ERROR ERROR ERROR ERROR ERROR ERROR},
    {"stats nonsense\r\nstats reset\r\nstats detail\r\nstats sizes\r\nstats cachedump 1 1\r\nstats conns\r\n",
     ERROR "RESET\r\nCLIENT_ERROR usage: stats detail on|off|dump\r\nSTAT sizes_status disabled\r\nEND\r\n"
           "END\r\nEND\r\n"},
    {"stats detail on\r\nset p:1 0 0 1\r\n1\r\nget p:1 p:2 q\r\ndelete p:1\r\nstats detail dump\r\nstats detail off\r\n"
     "stats reset\r\n",
     "OK\r\nSTORED\r\nVALUE p:1 0 1\r\n1\r\nEND\r\nDELETED\r\nPREFIX p get 2 hit 1 set 1 del 1\r\nEND\r\nOK\r\n"
     "RESET\r\n"},
};

static const struct conversation meta[] = {
    {"mn\r\n", "MN\r\n"},
    {"mg a\r\nmg a v\r\nmg a k O1\r\nmg a q\r\nmg a q k\r\nmg\r\nmx a\r\n",
     "EN\r\nEN\r\nEN ka O1\r\n" ERROR ERROR},
    {"ms a 3\r\nabc\r\nmg a\r\nmg a v\r\nmg a s v\r\nmg a k f s t c h v\r\n",
     "HD\r\nHD\r\nVA 3\r\nabc\r\nVA 3 s3\r\nabc\r\nVA 3 ka f0 s3 t-1 c* h1\r\nabc\r\n"},
    {"ms a 1 F7 T100 O9 k c\r\n1\r\nmg a f t\r\nget a\r\n",
     "HD O9 ka c*\r\nHD f7 t100\r\nVALUE a 7 1\r\n1\r\nEND\r\n"},
    {"ms a 1\r\n1\r\nmg a h u\r\nmg a h\r\nmg a h\r\n", "HD\r\nHD h0\r\nHD h0\r\nHD h1\r\n"},
    {"ms a 1 q\r\n1\r\nms a 1 ME q\r\n1\r\nms a 1 ME\r\n2\r\nms b 1 ME\r\n2\r\n", "NS\r\nNS\r\nHD\r\n"},
    {"ms a 1 MR\r\n1\r\nms a 1 MA\r\n1\r\nms a 1 MP\r\n1\r\nms a 1 MS\r\n2\r\nms a 1 MA\r\n3\r\nms a 1 MP\r\n1\r\nmg a v\r\n",
     "NS\r\nNS\r\nNS\r\nHD\r\nHD\r\nHD\r\nVA 3\r\n123\r\n"},
    {"ms a 1 MA N60\r\n1\r\nms a 1 MA N60\r\n2\r\nmg a v t\r\n", "HD\r\nHD\r\nVA 2 t60\r\n12\r\n"},
    {"ms a 1 C1\r\n1\r\nms a 1\r\n1\r\nms a 1 C999999999\r\n1\r\nms a 1 C0\r\n1\r\nms a 1 C999999999 k c O7\r\n1\r\n",
     "NF\r\nHD\r\nEX\r\nEX\r\nEX ka c0 O7\r\n"},
    {"ms a 1 E77 c\r\n1\r\nms a 1 C77\r\n2\r\nmg a v\r\n", "HD c77\r\nHD\r\nVA 1\r\n2\r\n"},
    /* What is stale keeps its time, and who was told to make it anew. */
    {"ms a 1 T30\r\n1\r\nms a 1 T30\r\n1\r\nms a 1 I C1 T90\r\n2\r\nmg a v t\r\nmg a v t\r\nms a 1 I C1 T90\r\n3\r\nmg a v t\r\n",
     "HD\r\nHD\r\nHD\r\nVA 1 t30 X W\r\n2\r\nVA 1 t30 Z X\r\n2\r\nHD\r\nVA 1 t30 Z X\r\n3\r\n"},
    /* So does a number that is written over the old one; a longer one is new. */
    {"ms a 1\r\n5\r\nmd a I\r\nmg a\r\nma a\r\nmg a\r\ndecr a 1\r\nmg a\r\nincr a 9\r\nmg a v\r\n",
     "HD\r\nHD\r\nHD X W\r\nHD\r\nHD Z X\r\n5\r\nHD Z X\r\n14\r\nVA 2\r\n14\r\n"},
    {"ms\r\nms a\r\nms a x\r\nms a -1\r\nms " KEY250 "k 1\r\n",
     ERROR BAD_FORMAT BAD_FORMAT BAD_FORMAT BAD_FORMAT},
    {"ms a 1 x\r\n1\r\nms a 1 Mx\r\n1\r\nms a 1 M\r\n1\r\nms a 1 Tx\r\n1\r\nms a 1 q q\r\n1\r\nms a 1 Fx\r\n1\r\n",
     "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR invalid mode for ms M token\r\n"
     "CLIENT_ERROR incorrect length for M token\r\nCLIENT_ERROR bad token in command line format\r\n"
     "CLIENT_ERROR duplicate flag\r\n" BAD_FORMAT},
    {"ms a 1\r\n123\r\nms a 1 q\r\n123\r\nmg a\r\n",
     "CLIENT_ERROR bad data chunk\r\n" ERROR "CLIENT_ERROR bad data chunk\r\n" ERROR "EN\r\n"},
    {"ms a 1 O123456789012345678901234567890123\r\n1\r\nmg a O12345678901234567890123456789012\r\n",
     "CLIENT_ERROR opaque token too long\r\nCLIENT_ERROR opaque token too long\r\n"},
    {"mg a k O1234567890123456789012345678901\r\n", "EN ka O1234567890123456789012345678901\r\n"},
    {"ms Zm9v 1 b k\r\n1\r\nmg Zm9v b k v\r\nget foo\r\nmg Zm8= b k\r\nmg !!! b\r\nme Zm9v b\r\n",
     "HD kZm9v b\r\nVA 1 kZm9v b\r\n1\r\nVALUE foo 0 1\r\n1\r\nEND\r\nEN kZm8= b\r\nCLIENT_ERROR error decoding key\r\n"
     "ME Zm9v exp=-1 la=* cas=* fetch=* cls=1 size=*\r\n"},
    /* How the key came when the value did: it is printed so, whoever asks. */
    {"ms Zm9v 1 b\r\n1\r\nmg foo k\r\nme foo\r\nms foo 1\r\n1\r\nmg Zm9v b k\r\nme Zm9v b\r\nmg bar k\r\nmg YmFy b k\r\n",
     "HD\r\nHD kZm9v b\r\nME Zm9v exp=-1 la=* cas=* fetch=yes cls=1 size=*\r\nHD\r\nHD kfoo\r\n"
     "ME foo exp=-1 la=* cas=* fetch=yes cls=1 size=*\r\nEN kbar\r\nEN kYmFy b\r\n"},
    {"ms Zm9v 1 b\r\n9\r\nma foo D0 k\r\nmd foo I k\r\ntouch foo 9\r\nmg foo k\r\nincr foo 1\r\nmg Zm9v b k\r\n",
     "HD\r\nHD kfoo\r\nHD kfoo\r\nTOUCHED\r\nHD kZm9v b X W\r\n10\r\nHD kfoo\r\n"},
    {"ms Zm9v 1 b\r\n1\r\nms Zm9v 1 b MA\r\n2\r\nmg Zm9v b k\r\nmd foo\r\nmg Zm9v b N0 k\r\nmd foo\r\nma Zm9v b N0 k\r\nmg "
     "Zm9v b k\r\n",
     "HD\r\nHD\r\nHD kfoo\r\nHD\r\nHD kfoo W\r\nHD\r\nHD kZm9v b\r\nHD kfoo\r\n"},
    {"mg a N60 v t\r\nmg a N60 v t\r\nmg a t N60 v\r\n",
     "VA 0 t60 W\r\n\r\nVA 0 t60 Z\r\n\r\nVA 0 t60 Z\r\n\r\n"},
    {"mg a t N60\r\nmg a t\r\n", "HD t-1 W\r\nHD t60 Z\r\n"},
    {"ms a 1 T100\r\n1\r\nmg a R30 t\r\nmg a R200 t\r\nmg a R200\r\nmg a\r\n",
     "HD\r\nHD t100\r\nHD t100 W\r\nHD Z\r\nHD Z\r\n"},
    {"ms a 1\r\n1\r\nmg a T60 t\r\nmg a t T30\r\nmg a t\r\n", "HD\r\nHD t60\r\nHD t60\r\nHD t30\r\n"},
    {"ms a 1\r\n1\r\nmd a I T30\r\nmg a v t c\r\nmg a v\r\nms a 1\r\n2\r\nmg a v\r\n",
     "HD\r\nHD\r\nVA 1 t30 c* X W\r\n1\r\nVA 1 Z X\r\n1\r\nHD\r\nVA 1\r\n2\r\n"},
    {"ms a 1 E50\r\n1\r\nms a 1 C40 I\r\n2\r\nmg a v\r\nms a 1 E90\r\n1\r\nms a 1 C95 I\r\n3\r\n",
     "HD\r\nHD\r\nVA 1 X W\r\n2\r\nHD\r\nEX\r\n"},
    {"md a\r\nmd a q\r\nms a 1\r\n1\r\nmd a C999999999\r\nmd a C0\r\nmd a q\r\nmd a k O1\r\nmd a x\r\nmd a Cx\r\n",
     "NF\r\nNF\r\nHD\r\nEX\r\nEX\r\nNF ka O1\r\nCLIENT_ERROR invalid or duplicate flag\r\n"
     "CLIENT_ERROR invalid or duplicate flag\r\n"},
    {"ma a\r\nma a k O1\r\nma a N0 J10 v\r\nma a v\r\nma a D5 v\r\nma a MD D20 v\r\nma a M- v\r\nma a\r\nma a q\r\n",
     "NF\r\nNF ka O1\r\nVA 2\r\n10\r\nVA 2\r\n11\r\nVA 2\r\n16\r\nVA 1\r\n0\r\nVA 1\r\n0\r\nHD\r\n"},
    {"ma a N60 t c k O1 v\r\nma a T30 t\r\nma a MI C999999999\r\nma a Mx\r\nma a Dx\r\nms b 1\r\nx\r\nma b\r\n",
     "VA 1 t60 c* ka O1\r\n0\r\nHD t30\r\nEX\r\nCLIENT_ERROR invalid mode for ma M token\r\n"
     "CLIENT_ERROR invalid or duplicate flag\r\nHD\r\n"
     "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
    {"me a\r\nme\r\nset a 0 100 1\r\n1\r\nme a\r\n",
     "EN\r\n" BAD_FORMAT "STORED\r\nME a exp=-100 la=* cas=* fetch=no cls=1 size=*\r\n"},
    {"mg a 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\r\nmd a 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\r\n",
     "CLIENT_ERROR options flags are too long\r\nCLIENT_ERROR options flags too long\r\n"},
};

/* ---- the connection ---- */

static struct loop loop;

/* Whether it is what is expected, in which '*' stands for digits. */
static bool alike(const char *expected, const char *got, size_t count)
{
    const char *end = got + count;

    for (; *expected != '\0'; expected++) {
        if (*expected == '*') {
            if (got == end || (!isdigit((unsigned char)*got) && expected[-1] != '='))
                return false;
            while (got != end && isalnum((unsigned char)*got))
                got++;
        } else if (got == end || *got++ != *expected) {
            return false;
        }
    }
    return got == end;
}

static void expect(const char *input, size_t count, const char *answer, const size_t *cuts, size_t cut_count)
{
    loop_flush(&loop);
    (void)loop_converse(&loop, input, count, cuts, cut_count);
    if (!alike(answer, loop.sent, loop.sent_count))
        fail_msg("%zu cuts, at %zu\n%.*s\nis answered by\n%.*s\ninstead of\n%s", cut_count,
                 cut_count != 0 ? cuts[0] : 0, (int)count, input, (int)loop.sent_count,
                 loop.sent == NULL ? "" : loop.sent, answer);
}

static void whole_and_cut(const char *input, const char *answer)
{
    const size_t count = strlen(input);
    static size_t cuts[CASE_MAX];

    assert_true(count < CASE_MAX);
    expect(input, count, answer, NULL, 0);
    for (size_t i = 0; i < count; i++)
        cuts[i] = i;
    expect(input, count, answer, cuts, count);
    for (size_t i = 1; i < count; i++)
        expect(input, count, answer, &i, 1);
}

static void classic_commands_answer_as_memcached(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof classic / sizeof classic[0]; i++)
        whole_and_cut(classic[i].input, classic[i].answer);
}

static void meta_commands_answer_as_memcached(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof meta / sizeof meta[0]; i++)
        whole_and_cut(meta[i].input, meta[i].answer);
}

/* Behind what stands in `to` up to `at`; returns where it ends. */
static size_t add_text(char *to, size_t at, const char *text)
{
    const size_t count = strlen(text);

    memcpy(to + at, text, count + 1);
    return at + count;
}

/* All in one stream. Those that end within a value stay out. */
static void conversations_follow_each_other(void **state)
{
    static char input[1 << 16], answer[1 << 16];
    const struct conversation *sets[] = {classic, meta};
    size_t asked = 0, answered = 0;
    const size_t counts[] = {sizeof classic / sizeof classic[0], sizeof meta / sizeof meta[0]};

    (void)state;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < counts[s]; i++) {
            if (strstr(sets[s][i].input, "262145") != NULL)
                continue;
            asked = add_text(input, asked, sets[s][i].input);
            asked = add_text(input, asked, "delete a noreply\r\ndelete b noreply\r\ndelete foo noreply\r\n");
            answered = add_text(answer, answered, sets[s][i].answer);
        }
    expect(input, strlen(input), answer, NULL, 0);
}

/* ---- what ends a connection ---- */

static void some_bytes_end_a_connection(void **state)
{
    static char line[CASE_MAX];

    (void)state;
    assert_true(loop_closes(&loop, "quit\r\n"));
    assert_int_equal(loop.sent_count, 0);
    assert_true(loop_closes(&loop, "GET / HTTP/1.1\r\n"));
    assert_int_equal(loop.sent_count, 0);
    assert_false(loop_closes(&loop, "version\r\nget a\r\n"));
    memset(line, 'a', 4000);
    assert_true(loop_closes(&loop, line)); /* no end within 2048 bytes */
    memcpy(line, "get ", 4);
    assert_false(loop_closes(&loop, line));
    memcpy(line, "gets ", 5);
    assert_false(loop_closes(&loop, line));
    memset(line, ' ', 2047);
    memset(line + 2047, 0, 2000);
    assert_false(loop_closes(&loop, line));
}

static void stop(struct cache_service *service, bool graceful)
{
    *(int *)service->arg = graceful ? 2 : 1;
}

static void shutdown_asks_the_server(void **state)
{
    int stopped = 0;

    (void)state;
    loop.service.may_shutdown = true;
    loop.service.shutdown = stop;
    loop.service.arg = &stopped;
    assert_false(loop_closes(&loop, "shutdown now\r\n"));
    assert_true(alike("CLIENT_ERROR invalid shutdown mode\r\n", loop.sent, loop.sent_count));
    assert_true(loop_closes(&loop, "shutdown\r\n"));
    assert_int_equal(stopped, 1);
    assert_true(loop_closes(&loop, "shutdown graceful\r\n"));
    assert_int_equal(stopped, 2);
    loop.service.may_shutdown = false;
}

/* ---- large values ---- */

static void large_values_come_back_whole(void **state)
{
    static const size_t sizes[] = {2047, 2048, 65536, 65537, 200000};
    static char input[ITEM_MAX * 2], answer[ITEM_MAX * 2];

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (int cut = 0; cut < 4; cut++) {
            const size_t head = (size_t)sprintf(input, "%s%zu\r\n", cut % 2 == 0 ? "set a 0 0 " : "ms a ",
                                                sizes[s]);
            const size_t cuts[] = {3, head, head + sizes[s] / 2, head + sizes[s] + 1};
            size_t count = head + sizes[s], at;

            memset(input + head, 'v', sizes[s]);
            count = add_text(input, count, "\r\nget a\r\n");
            at = (size_t)sprintf(answer, "%sVALUE a 0 %zu\r\n", cut % 2 == 0 ? "STORED\r\n" : "HD\r\n",
                                 sizes[s]);
            memset(answer + at, 'v', sizes[s]);
            (void)add_text(answer, at + sizes[s], "\r\nEND\r\n");
            expect(input, count, answer, cuts, cut == 0 ? 0 : 4);
        }
    }
}

/* 2000 values of 2000 bytes: the answer to one line comes in parts, wherever the line stands. */
static void many_values_come_back_whole(void **state)
{
    enum { KEYS = 2000, VALUE = 2000, EACH = VALUE + sizeof "VALUE a 0 2000\r\n\r\n" - 1 };
    static const char *const commands[] = {"get", "  get", "gat 0", "bget"};
    static char input[KEYS * 2 + VALUE + 100], value[VALUE + 1];
    const size_t head = (size_t)sprintf(input, "set a 0 0 %d\r\n", VALUE);

    (void)state;
    loop_flush(&loop);
    memset(value, 'v', VALUE);
    memset(input + head, 'v', VALUE);
    for (unsigned run = 0; run < 2 * sizeof commands / sizeof commands[0]; run++) {
        const size_t cuts[] = {head + VALUE + 1000};
        size_t count = add_text(input, head + VALUE, "\r\n"), at = strlen("STORED\r\n");

        count = add_text(input, count, commands[run / 2]);
        for (int i = 0; i < KEYS; i++)
            count = add_text(input, count, " a");
        count = add_text(input, count, "\r\n");
        (void)loop_converse(&loop, input, count, cuts, run % 2);
        assert_int_equal(loop.full, (KEYS * EACH - 1) / CACHE_REPLY_MOST);
        assert_int_equal(loop.sent_count, at + (size_t)KEYS * EACH + strlen("END\r\n"));
        for (int i = 0; i < KEYS; i++, at += EACH) {
            assert_memory_equal(loop.sent + at, "VALUE a 0 2000\r\n", 16);
            assert_memory_equal(loop.sent + at + 16, value, VALUE);
        }
        assert_memory_equal(loop.sent + at, "END\r\n", 5);
    }
}

static void a_large_value_with_a_bad_end_is_not_stored(void **state)
{
    static char input[ITEM_MAX];
    const size_t head = (size_t)sprintf(input, "set a 0 0 100000\r\n"), cut = head + 5000;

    (void)state;
    memset(input + head, 'v', 100000);
    (void)add_text(input, head + 100000, "xxget a\r\n");
    expect(input, strlen(input), "CLIENT_ERROR bad data chunk\r\nEND\r\n", &cut, 1);
}

static void what_is_too_large_is_swallowed(void **state)
{
    static char input[ITEM_MAX * 2];
    size_t head = (size_t)sprintf(input, "set a 0 0 1\r\n1\r\nset a 0 0 %d\r\n", ITEM_MAX);
    const size_t cut = head + 70000;

    (void)state;
    memset(input + head, 'v', ITEM_MAX);
    (void)add_text(input, head + ITEM_MAX, "\r\nget a\r\n");
    expect(input, strlen(input), "STORED\r\nSERVER_ERROR object too large for cache\r\nEND\r\n", &cut, 1);
    head = (size_t)sprintf(input, "ms a %d\r\n", ITEM_MAX);
    memset(input + head, 'v', ITEM_MAX);
    (void)add_text(input, head + ITEM_MAX, "\r\nget a\r\n");
    expect(input, strlen(input), "SERVER_ERROR object too large for cache\r\nEND\r\n", &cut, 1);
}

static void a_connection_that_ends_within_a_value_leaves_nothing(void **state)
{
    static char input[ITEM_MAX];
    const size_t head = (size_t)sprintf(input, "set a 0 0 100000\r\n");

    (void)state;
    memset(input + head, 'v', 100000);
    for (size_t count = head; count < head + 100002; count += 9999)
        expect(input, count, "", &head, count == head ? 0 : 1);
    expect("get a\r\n", 7, "END\r\n", NULL, 0);
}

/* ---- time ---- */

static void items_expire_when_they_shall(void **state)
{
    const char *const set = "set a 0 10 1\r\n1\r\nset b 0 0 1\r\n2\r\nset c 0 2592001 1\r\n3\r\n";

    (void)state;
    expect(set, strlen(set), "STORED\r\nSTORED\r\nSTORED\r\n", NULL, 0); /* c: a date of 1970 */
    (void)loop_converse(&loop, "get a b c\r\n", 11, NULL, 0);
    assert_true(alike("VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n", loop.sent, loop.sent_count));
    cache_skip(loop.store, 11);
    (void)loop_converse(&loop, "get a b c\r\n", 11, NULL, 0);
    assert_true(alike("VALUE b 0 1\r\n2\r\nEND\r\n", loop.sent, loop.sent_count));
    (void)loop_converse(&loop, "flush_all 20\r\nget b\r\n", 21, NULL, 0);
    assert_true(alike("OK\r\nVALUE b 0 1\r\n2\r\nEND\r\n", loop.sent, loop.sent_count));
    cache_skip(loop.store, 17);
    (void)loop_converse(&loop, "get b\r\n", 7, NULL, 0);
    assert_true(alike("VALUE b 0 1\r\n2\r\nEND\r\n", loop.sent, loop.sent_count));
    cache_skip(loop.store, 2); /* a second early, as in memcached */
    (void)loop_converse(&loop, "get b\r\nset b 0 0 1\r\n1\r\nflush_all 1\r\nget b\r\n", 43, NULL, 0);
    assert_true(alike("END\r\nSTORED\r\nOK\r\nEND\r\n", loop.sent, loop.sent_count));
}

static void cas_numbers_are_of_use(void **state)
{
    char input[128];
    unsigned long long cas;

    (void)state;
    (void)loop_converse(&loop, "set a 0 0 1\r\n1\r\ngets a\r\n", 25, NULL, 0);
    loop.sent[loop.sent_count - 1] = '\0';
    assert_int_equal(sscanf(loop.sent, "STORED VALUE a 0 1 %llu", &cas), 1);
    (void)sprintf(input, "cas a 0 0 1 %llu\r\n2\r\ncas a 0 0 1 %llu\r\n3\r\nget a\r\n", cas, cas);
    (void)loop_converse(&loop, input, strlen(input), NULL, 0);
    assert_true(alike("STORED\r\nEXISTS\r\nVALUE a 0 1\r\n2\r\nEND\r\n", loop.sent, loop.sent_count));
}

/* ---- authentication, options ---- */

static void tokens_open_the_ascii_protocol(void **state)
{
    (void)state;
    loop.service.tokens = true;
    whole_and_cut("get a\r\nset x 0 0 9\r\nuser pass\r\nget a\r\n",
                  "CLIENT_ERROR unauthenticated\r\nSTORED\r\nEND\r\n");
    whole_and_cut("set x 0 0 9\r\nuser fail\r\nset x 0 0 4\r\nuser\r\nset x 0 0 2\r\nuser\r\nmn\r\n",
                  "CLIENT_ERROR authentication failure\r\nCLIENT_ERROR bad authentication token format\r\n"
                  "CLIENT_ERROR bad command line termination\r\nCLIENT_ERROR unauthenticated\r\n"
                  "CLIENT_ERROR unauthenticated\r\n");
    assert_true(loop_closes(&loop, "set x 0 0 100000\r\n"));
    loop.service.tokens = false;
}

static void flush_may_be_forbidden(void **state)
{
    (void)state;
    loop.service.no_flush = true;
    whole_and_cut("flush_all\r\n", "CLIENT_ERROR flush_all not allowed\r\n");
    loop.service.no_flush = false;
}

static void dumps_may_be_forbidden(void **state)
{
    (void)state;
    loop.service.no_dump = true;
    whole_and_cut("stats cachedump 1 1\r\nlru_crawler metadump all\r\n",
                  "CLIENT_ERROR stats cachedump not allowed\r\nERROR metadump not allowed\r\n");
    loop.service.no_dump = false;
}

/* More than a reply takes: in several turns, and what was sent behind it is answered behind it. A connection that ends in its middle
 * leaves nothing (of which AddressSanitizer tells). */
static void a_long_dump_tells_of_every_item(void **state)
{
    enum { KEYS = 10000 };
    static const char ask[] = "lru_crawler metadump all\r\nmn\r\n";
    struct cache_protocol protocol;
    const char *at;
    size_t lines = 0;

    (void)state;
    loop_flush(&loop);
    for (int i = 0; i < KEYS; i++) {
        char text[128];
        const int count = snprintf(text, sizeof text, "set %d/" KEY50 " 0 0 1 noreply\r\n1\r\n", i);

        (void)loop_converse(&loop, text, (size_t)count, NULL, 0);
    }
    assert_false(loop_converse(&loop, ask, sizeof ask - 1, NULL, 0));
    assert_in_range(loop.full, 1, 9); /* of bytes, or buckets were walked through */
    for (at = loop.sent; (at = memmem(at, loop.sent_count - (size_t)(at - loop.sent), "key=", 4)) != NULL;
         at++)
        lines++;
    assert_int_equal(lines, KEYS);
    assert_memory_equal(loop.sent + loop.sent_count - 9, "END\r\nMN\r\n", 9);
    cache_protocol_init(&protocol, &loop.service);
    assert_int_equal(cache_feed(&protocol, loop.session, ask, sizeof ask - 1, &loop.reply), PROTOCOL_FULL);
    cache_reply_clear(&loop.reply);
    cache_protocol_free(&protocol, loop.session);
    loop_flush(&loop);
}

/* Without memory for the answer: nothing of it, and nothing is written behind the reply. In a store whose segments are so large
 * that values of 60 KiB are copied. */
static void a_reply_that_failed_takes_values_of_any_size(void **state)
{
    enum { MOST = 200 * 1024, GUARD = 64 * 1024 };
    static struct {
        struct cache_reply reply;
        char guard[GUARD];
    } failed;
    static char ask[MOST + 128];
    static struct loop large;
    static const char *const gets[] = {"get a\r\n", "mg a v\r\n", "gat 0 a\r\n"};

    (void)state;
    loop_open_with(&large, (size_t)1 << 30, ITEM_MAX);
    for (size_t bytes = 1000; bytes <= MOST; bytes += bytes / 3) {
        const int line = snprintf(ask, sizeof ask, "set a 0 0 %zu noreply\r\n", bytes);

        memset(ask + line, 'v', bytes);
        memcpy(ask + line + bytes, "\r\n", 2);
        assert_false(loop_converse(&large, ask, (size_t)line + bytes + 2, NULL, 0));
        for (size_t i = 0; i < sizeof gets / sizeof gets[0]; i++) {
            struct cache_protocol protocol;

            memset(&failed, 0, sizeof failed);
            cache_reply_init(&failed.reply, &large.stats);
            failed.reply.failed = true;
            cache_protocol_init(&protocol, &large.service);
            (void)cache_feed(&protocol, large.session, gets[i], strlen(gets[i]), &failed.reply);
            assert_true(failed.reply.failed && failed.reply.count == 0);
            for (size_t at = 0; at < GUARD; at++)
                assert_int_equal(failed.guard[at], 0);
            cache_protocol_free(&protocol, large.session);
            cache_reply_free(&failed.reply);
        }
    }
    loop_close(&large);
}

/* Keys with a blank, which cachedump does not tell of; then all were flushed, and metadump tells of none. */
static void a_dump_with_nothing_to_say_has_more_than_one_turn(void **state)
{
    enum { KEYS = 20000 };
    static const char *const asks[] = {"stats cachedump 1 0\r\nmn\r\n", "lru_crawler metadump all\r\nmn\r\n"};
    char text[128], key[32], coded[64];

    (void)state;
    loop_flush(&loop);
    for (int i = 0; i < KEYS; i++) {
        const int bytes = snprintf(key, sizeof key, "a blank %d", i);
        const size_t coded_bytes = cache_base64_encode(coded, key, (size_t)bytes);
        const int count = snprintf(text, sizeof text, "ms %.*s 1 b q\r\n1\r\n", (int)coded_bytes, coded);

        (void)loop_converse(&loop, text, (size_t)count, NULL, 0);
        assert_int_equal(loop.sent_count, 0);
    }
    for (size_t i = 0; i < 2; i++) {
        if (i == 1)
            cache_flush(loop.store, cache_now(loop.store));
        assert_false(loop_converse(&loop, asks[i], strlen(asks[i]), NULL, 0));
        assert_in_range(loop.full, 1, KEYS);
        assert_int_equal(loop.sent_count, 9);
        assert_memory_equal(loop.sent, "END\r\nMN\r\n", 9);
    }
    loop_flush(&loop);
}

static bool has_line(const char *line)
{
    return memmem(loop.sent, loop.sent_count, line, strlen(line)) != NULL;
}

static void commands_are_counted(void **state)
{
    const char *const input =
        "stats reset\r\nset a 0 0 1\r\n1\r\nget a b\r\ngat 0 a b\r\ndelete a\r\ndelete a\r\nincr a 1\r\n"
        "cas a 0 0 1 1\r\n1\r\ntouch a 0\r\nflush_all\r\nme a\r\nstats\r\nstats settings\r\n"
        "set a 0 0 1\r\n1\r\nstats items\r\nstats slabs\r\nset b 0 -1 1\r\n1\r\nget b\r\nflush_all\r\nget a\r\nstats\r\n";
    static const char *const lines[] = {"STAT cmd_get 2\r\n",
                                        "STAT cmd_set 2\r\n",
                                        "STAT get_hits 1\r\n",
                                        "STAT get_misses 1\r\n",
                                        "STAT cmd_touch 3\r\n",
                                        "STAT touch_hits 1\r\n",
                                        "STAT touch_misses 2\r\n",
                                        "STAT delete_hits 1\r\n",
                                        "STAT cas_misses 1\r\n",
                                        "STAT incr_misses 1\r\n",
                                        "STAT delete_misses 1\r\n",
                                        "STAT cmd_flush 1\r\n",
                                        "STAT cmd_meta 1\r\n",
                                        "STAT threads 1\r\n",
                                        "STAT item_size_max 262144\r\n",
                                        "STAT verbosity ",
                                        "STAT items:1:number ",
                                        "STAT active_slabs 1\r\n",
                                        "STAT version 1.6.18\r\n",
                                        "STAT binding_protocol auto",
                                        "STAT get_expired 1\r\n",
                                        "STAT get_flushed 1\r\n",
                                        "STAT items:1:outofmemory 0\r\n",
                                        "STAT hash_power_level "};
    /* Without one of these Prometheus' exporter for memcached says that the server is down. */
    static const char *const watched[] = {"conn_yields",
                                          "lru_crawler_starts",
                                          "direct_reclaims",
                                          "crawler_items_checked",
                                          "crawler_reclaimed",
                                          "moves_to_cold",
                                          "moves_to_warm",
                                          "moves_within_lru",
                                          "total_malloced",
                                          "items:1:number",
                                          "items:1:age",
                                          "items:1:hits_to_hot",
                                          "items:1:hits_to_warm",
                                          "items:1:hits_to_cold",
                                          "items:1:hits_to_temp",
                                          "1:chunk_size",
                                          "1:chunks_per_page",
                                          "1:total_pages",
                                          "1:total_chunks",
                                          "1:used_chunks",
                                          "1:free_chunks",
                                          "1:free_chunks_end",
                                          "1:mem_requested",
                                          "1:get_hits",
                                          "1:delete_hits",
                                          "1:incr_hits",
                                          "1:decr_hits",
                                          "1:cas_hits",
                                          "1:touch_hits",
                                          "1:cas_badval",
                                          "1:cmd_set"};

    (void)state;
    (void)loop_converse(&loop, input, strlen(input), NULL, 0);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (!has_line(lines[i]))
            fail_msg("no line %s in\n%.*s", lines[i], (int)loop.sent_count, loop.sent);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
        char line[64];

        (void)snprintf(line, sizeof line, "STAT %s ", watched[i]);
        if (!has_line(line))
            fail_msg("no line %s in\n%.*s", line, (int)loop.sent_count, loop.sent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classic_commands_answer_as_memcached),
        cmocka_unit_test(meta_commands_answer_as_memcached),
        cmocka_unit_test(conversations_follow_each_other),
        cmocka_unit_test(some_bytes_end_a_connection),
        cmocka_unit_test(shutdown_asks_the_server),
        cmocka_unit_test(large_values_come_back_whole),
        cmocka_unit_test(many_values_come_back_whole),
        cmocka_unit_test(a_large_value_with_a_bad_end_is_not_stored),
        cmocka_unit_test(what_is_too_large_is_swallowed),
        cmocka_unit_test(a_connection_that_ends_within_a_value_leaves_nothing),
        cmocka_unit_test(items_expire_when_they_shall),
        cmocka_unit_test(cas_numbers_are_of_use),
        cmocka_unit_test(tokens_open_the_ascii_protocol),
        cmocka_unit_test(flush_may_be_forbidden),
        cmocka_unit_test(dumps_may_be_forbidden),
        cmocka_unit_test(a_long_dump_tells_of_every_item),
        cmocka_unit_test(a_dump_with_nothing_to_say_has_more_than_one_turn),
        cmocka_unit_test(a_reply_that_failed_takes_values_of_any_size),
        cmocka_unit_test(commands_are_counted),
    };
    int failed;

    loop_open(&loop, ITEM_MAX);
    failed = cmocka_run_group_tests_name("cache protocol", tests, NULL, NULL);
    loop_close(&loop);
    return failed + test_binary();
}
