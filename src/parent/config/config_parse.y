/*
 * The grammar of the configuration: blocks and settings.  Which of them may
 * stand where is none of its business.
 */
%code top {
#ifdef __clang__ /* which minds that the parser counts errors for nobody */
#pragma clang diagnostic ignored "-Wunused-but-set-variable"
#endif
}
%code requires {
#include "parent/config/config_tree.h"
}
%code {
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

int config_yylex(CONFIG_YYSTYPE *, CONFIG_YYLTYPE *, void *scanner);
static void config_yyerror(const CONFIG_YYLTYPE *, void *scanner,
    struct config_parse *, const char *text);
static void complain(struct config_parse *, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void missing_brace(struct config_parse *);
static bool meaningless(int token, bool same_line);
}

%define api.prefix {config_yy}
%define api.pure full
%define parse.error custom
%define parse.lac full
%locations
%parse-param { void *scanner } { struct config_parse *parse }
%lex-param { void *scanner }

%union {
	struct config_word word;
}

%token <word> WORD STRING BLOCK INCLUDE
%token OPEN CLOSE EQUALS END LINE_END LIST_OPEN LIST_CLOSE LIST_LOST

%type <word> key value

/* A brace after a block's name is that block's. */
%precedence NO_BRACE
%precedence OPEN

%%

file:
	statements
	;

statements:
	%empty
	| statements statement
	;

statement:
	END
	| key EQUALS value
	{
		config_item_add(parse, &$3, @3.first_line);
		config_setting_add(parse, $1.text, false, @1.first_line);
		if (config_key_has_list($1.text))
			parse->single_line = @3.first_line;
	}
	| key EQUALS LIST_OPEN items LIST_CLOSE
	{
		config_setting_add(parse, $1.text, true, @1.first_line);
	}
	| key EQUALS LIST_OPEN items LIST_LOST
	{
		TAILQ_INIT(&parse->items);
	}
	| LIST_OPEN items list_end
	{
		/* Behind an = that is out of place. */
		TAILQ_INIT(&parse->items);
	}
	| INCLUDE value
	{
		config_file_include(parse, $2.text, @1.first_line);
	}
	| block
	| error
	{
		parse->block->damaged = true;
		parse->skip_line = @1.first_line;
		/* At the end there is nothing to go on with. */
		if (yychar != CONFIG_YYEOF) {
			yyerrok;
			if (meaningless(yychar,
				yylloc.first_line == @1.first_line) ||
			    parse->failed == parse->tokens)
				yyclearin;
		}
		parse->failed = parse->tokens;
	}
	;

items:
	%empty
	| items value
	{
		config_item_add(parse, &$2, @2.first_line);
	}
	;

list_end:
	LIST_CLOSE
	| LIST_LOST
	;

key:
	WORD
	| BLOCK
	;

value:
	WORD
	| STRING
	| BLOCK
	| INCLUDE
	;

block:
	BLOCK value
	{
		config_block_open(parse, $1.text, $2.text, @1.first_line);
	}
	brace statements CLOSE
	{
		config_block_close(parse);
	}
	| BLOCK OPEN
	{
		config_block_open(parse, $1.text, NULL, @1.first_line);
	}
	statements CLOSE
	{
		config_block_close(parse);
	}
	| OPEN
	{
		complain(parse, @1.first_line, "this { belongs to no block: "
		    "write pool, source, class, guest, egd or stream and a "
		    "name before it");
		config_block_open(parse, NULL, NULL, @1.first_line);
	}
	statements CLOSE
	{
		config_block_close(parse);
	}
	;

brace:
	OPEN
	| %empty %prec NO_BRACE
	{
		missing_brace(parse);
	}
	;

%%

/* A syntax error, the first of its line. */
static void
complain(struct config_parse *p, int line, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	p->block->damaged = true;
	if (line == p->error_line)
		return;
	p->error_line = line;
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len == -1)
		log_fatal("no memory for the configuration");
	config_mistake(p->reader, (struct config_place){ p->file, line }, "%s",
	    text);
	free(text);
}

/*
 * The block goes on as if the brace were there; unless it was meant as a key,
 * when what is around it goes on.
 */
static void
missing_brace(struct config_parse *p)
{
	struct config_block *block = p->block;
	const char *word = config_kind_word(block->kind);

	if (config_key_is(block->within->kind, word)) {
		complain(p, block->place.line, "an = is missing: write %s = %s",
		    word, config_shown(p->reader, block->name));
		block->kind = CONFIG_IGNORED;
		p->block = block->within;
		p->block->damaged = true;
	} else
		complain(p, block->place.line, "%s: there is no { after the "
		    "name: add it", block->title);
	p->lost_brace = true;
	p->depth++;
}

/*
 * Whether recovery goes on without the token, which is what the error was
 * found at: anything that nothing begins with, and what is left of the line.
 */
static bool
meaningless(int token, bool same_line)
{
	switch (token) {
	case STRING:
	case EQUALS:
	case LINE_END:
		return true;
	case WORD:
	case BLOCK:
	case INCLUDE:
	case END:
		return same_line;
	default:
		return false;
	}
}

static void
unclosed(struct config_parse *p)
{
	struct config_block *block = p->block;

	if (!p->lost_brace) {
		p->error_line = 0;
		complain(p, block->place.line, "%s has no end: add a } after "
		    "its last line", block->kind == CONFIG_IGNORED ?
		    "this {" : block->title);
	}
	for (; block != NULL && block->kind != CONFIG_TOP;
	    block = block->within)
		block->unclosed = true;
}

static bool
expected(const yypcontext_t *context, yysymbol_kind_t wanted)
{
	yysymbol_kind_t symbols[YYNTOKENS];
	int n;

	n = yypcontext_expected_tokens(context, symbols, YYNTOKENS);
	for (int i = 0; i < n; i++)
		if (symbols[i] == wanted)
			return true;
	return false;
}

/* After a key, as it seems, something else than = and its value. */
static void
after_word(struct config_parse *p, int token)
{
	const char *word = config_shown(p->reader, p->before.text);
	const char *hint = config_kind_hint(p->reader, p->before.text);

	if (token == OPEN || (token == STRING && hint[0] != '\0') ||
	    (token == WORD && hint[0] != '\0'))
		complain(p, p->before.line, "\"%s\" is not a block%s", word,
		    hint[0] != '\0' ? hint :
		    ": these are pool, source, class, guest, egd and stream");
	else if (token == STRING || token == WORD)
		complain(p, p->before.line, "an = is missing: write %s = %s",
		    word, config_shown(p->reader, p->last.text));
	else
		complain(p, p->before.line, "there is no value after \"%s\": "
		    "write %s = VALUE", word, word);
}

/* Whether the word follows a single value, where braces are for several. */
static bool
follows_single(const struct config_parse *p, const struct config_token *word)
{
	return word->line == p->single_line &&
	    (word->type == WORD || word->type == STRING) &&
	    !config_key_is(CONFIG_ANY, word->text);
}

/* What the parser calls, by the name it gives, at a syntax error. */
static int
yyreport_syntax_error(const yypcontext_t *context, void *scanner,
    struct config_parse *p)
{
	int token = p->last.type;

	(void)scanner;
	if (yypcontext_token(context) == YYSYMBOL_YYEOF &&
	    (p->block->kind != CONFIG_TOP || (p->lost_brace && p->depth > 0)))
		unclosed(p);
	else if (p->before.type == EQUALS && token == OPEN)
		complain(p, p->before.line, "there is an = before a block: "
		    "write a name instead, as in guest \"vm1\" {");
	else if (p->before.type == EQUALS)
		complain(p, p->before.line, "there is no value after the =: "
		    "add it, on the same line");
	else if (p->before.type == INCLUDE && expected(context, YYSYMBOL_WORD))
		complain(p, p->before.line, "include needs the name of a file "
		    "or a pattern: write include \"/etc/vrngd/conf.d/*.conf\"");
	else if (p->before.type == BLOCK && expected(context, YYSYMBOL_EQUALS))
		complain(p, p->before.line, "\"%s\" is followed by neither a "
		    "name nor =: write %s \"NAME\" { or %s = VALUE",
		    p->before.text, p->before.text, p->before.text);
	else if (follows_single(p, expected(context, YYSYMBOL_EQUALS) ?
	    &p->before : &p->last))
		complain(p, p->single_line, "a second value follows the first: "
		    "write several in braces, as in { ONE OTHER }");
	else if (expected(context, YYSYMBOL_EQUALS))
		after_word(p, token);
	else
		complain(p, p->last.line, "\"%s\" is out of place: a key, as "
		    "in rate = 10M, or a block should begin here",
		    config_shown(p->reader, p->last.text));
	return 0;
}

/* What else the parser may say, which is that its stack is full. */
static void
config_yyerror(const CONFIG_YYLTYPE *place, void *scanner, struct config_parse *p,
    const char *text)
{
	(void)scanner;
	complain(p, place->first_line, "%s: the file is too deeply nested",
	    text);
}
