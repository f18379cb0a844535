namespace SgLang.BindingsGen.Tests;

/// <summary>What plain C allows and the boundary does not: each is refused with its place and what to write instead.</summary>
public sealed class UnsupportedTests
{
    // The declarations follow three lines of includes.
    [Theory]
    [InlineData("typedef union sgl_u { int32_t a; float b; } sgl_u;", "sgl.h:4: union 'sgl_u'")]
    [InlineData("typedef struct sgl_s { union { int32_t a; float b; } u; } sgl_s;", "sgl.h:4: union ''")]
    [InlineData("typedef struct sgl_s {\n  uint32_t flag : 1;\n} sgl_s;", "sgl.h:5: bit-field 'flag'")]
    [InlineData("void sgl_f(int32_t first, ...);", "variadic function 'sgl_f'")]
    [InlineData("void sgl_f(void (*done)(int32_t));", "callbacks do not cross the ABI")]
    [InlineData("typedef void (*sgl_done)(int32_t);", "callbacks do not cross the ABI")]
    [InlineData("typedef struct sgl_s { void (*done)(int32_t); } sgl_s;", "callbacks do not cross the ABI")]
    [InlineData("void (*sgl_f(void))(int32_t);", "callbacks do not cross the ABI")]
    [InlineData("static inline int32_t sgl_f(void) { return 0; }", "function 'sgl_f' has a body")]
    [InlineData("extern int32_t sgl_x;", "VarDecl 'sgl_x'")]
    [InlineData("typedef struct { int32_t a; } sgl_s;", "struct without a name")]
    [InlineData("typedef enum { SGL_A } sgl_e;", "enum without a name")]
    [InlineData("typedef int32_t sgl_id;", "typedef 'sgl_id' of 'int32_t'")]
    [InlineData("struct sgl_s { int32_t a; }; typedef struct sgl_s sgl_t;", "typedef 'sgl_t' of 'struct sgl_s'")]
    [InlineData("typedef struct sgl_s { int32_t a[2][3]; } sgl_s;", "one dimension")]
    [InlineData("typedef struct sgl_s { int32_t n; int32_t a[]; } sgl_s;", "one dimension")]
    [InlineData("typedef struct sgl_s { const char* a[2]; } sgl_s;", "arrays in structs are of numbers or char")]
    [InlineData("typedef struct sgl_s { int32_t a; } sgl_s; void sgl_f(sgl_s s);", "structs cross the ABI by pointer: use const sgl_s*")]
    [InlineData("typedef struct sgl_h sgl_h; void sgl_f(int32_t n, const char* const* names);", "only what is pointed to may be const")]
    [InlineData("void sgl_f(int32_t*** p);", "at most two stars")]
    [InlineData("void sgl_f(int32_t);", "has no name")]
    [InlineData("typedef struct sgl_s {} sgl_s;", "struct 'sgl_s' is empty")]
    [InlineData("typedef enum sgl_e { SGL_BIG = 0x80000000 } sgl_e;", "does not fit in 32 bits")]
    [InlineData("void other_f(void);", "'other_f' must begin with sgl_")]
    [InlineData("typedef enum sgl_e { OTHER = 0 } sgl_e;", "'OTHER' must begin with SGL_")]
    public void A_construct_without_a_binding_is_refused(string declaration, string expected) =>
        Assert.Contains(expected, TemporaryRoot.Rejection(declaration));

    [Theory]
    [InlineData("long", "int64_t")]
    [InlineData("unsigned long", "uint64_t")]
    [InlineData("int", "int32_t")]
    [InlineData("unsigned", "uint32_t")]
    [InlineData("short", "int16_t")]
    [InlineData("bool", "int32_t, 0 or 1")]
    [InlineData("size_t", "uint64_t")]
    [InlineData("char", "uint8_t")]
    [InlineData("long double", "double")]
    public void A_type_without_a_fixed_width_is_refused_with_the_one_to_use(string type, string advice)
    {
        Assert.Matches($"^sgl.h:4: type '.+' cannot be bound: .*use {advice}", TemporaryRoot.Rejection($"void sgl_f({type} x);"));
        Assert.Matches($"^sgl.h:5: type '.+' cannot be bound: .*use {advice}",
            TemporaryRoot.Rejection($"typedef struct sgl_s {{\n  {type} x;\n}} sgl_s;"));
    }
}
