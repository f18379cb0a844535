using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Tests.Clang;

public sealed class ClangReaderTests
{
    [Fact]
    public void A_struct_declared_and_later_defined_is_not_a_handle()
    {
        HeaderModel model = TemporaryRoot.Read(
            "typedef struct sgl_s sgl_s;\nvoid sgl_f(sgl_s* s);\nstruct sgl_s {\n  int32_t a;\n};\ntypedef struct sgl_h sgl_h;");

        Assert.Equal(["sgl_s"], model.Structs.Select(s => s.Name));
        Assert.Equal(["sgl_h"], model.Declarations.OfType<HandleDeclaration>().Select(h => h.Name));
    }

    [Fact]
    public void Declarations_come_from_the_folder_of_the_umbrella_header_only()
    {
        using var root = new TemporaryRoot("#include <stdlib.h>\n#include \"sgl/other.h\"\nvoid sgl_a(void);\n");
        File.WriteAllText(Path.Combine(Path.GetDirectoryName(root.HeaderPath)!, "other.h"), "#include <stdint.h>\n\nvoid sgl_b(int32_t x);\n");

        HeaderModel model = Bindings.Load(root.HeaderPath, new BindingsGen.Clang.ClangReader());

        Assert.Equal(
            [("sgl_b", new SourceLocation("other.h", 3)), ("sgl_a", new SourceLocation("sgl.h", 3))],
            model.Functions.Select(f => (f.Name, f.Location)));
    }

    [Fact]
    public void A_declaration_begins_where_its_macro_is_used()
    {
        HeaderModel model = TemporaryRoot.Read("#define SGL_API __attribute__((visibility(\"default\")))\n\nSGL_API void\nsgl_f(void);");

        Assert.Equal(new SourceLocation("sgl.h", 6), model.Functions.Single().Location);
    }

    [Fact]
    public void An_enum_counts_on_from_its_last_explicit_value()
    {
        HeaderModel model = TemporaryRoot.Read("typedef enum sgl_e { SGL_A, SGL_B = -5, SGL_C, SGL_D = SGL_A + 7, SGL_E } sgl_e;");

        Assert.Equal([0, -5, -4, 7, 8], model.Enums.Single().Members.Select(m => m.Value));
    }

    [Fact]
    public void Two_headers_may_not_declare_the_same_name_differently()
    {
        string message = TemporaryRoot.Rejection("typedef struct sgl_s {\n  int32_t a;\n} sgl_s;\nvoid sgl_f(sgl_s* s);\nvoid sgl_f(sgl_s* s);");

        Assert.Contains("'sgl_f' is already declared at sgl.h:7", message);
    }
}
