/*
 * Known answers, from NIST's drbgtestvectors.zip, out of CTR_DRBG.rsp in each
 * of its three directories (no_reseed, pr_false, pr_true), [AES-256 use df]:
 * the first answer of each of the four combinations of inputs.
 */
#ifndef VECTORS_H
#define VECTORS_H

#include "entropy/drbg/drbg_check.h"

static const struct drbg_vector vectors[] = {
	{
	    .name = "no_reseed",
	    .seed =
		"36401940fa8b1fba91a1661f211d78a0b9389a74e5bccfece8d766af1a6d3b14"
		"496f25b0f1301b4f501be30380a137eb",
	    .answer =
		"5862eb38bd558dd978a696e6df164782ddd887e7e9a6c9f3f1fbafb78941b535"
		"a64912dfd224c6dc7454e5250b3d97165e16260c2faf1cc7735cb75fb4f07e1d",
	},
	{
	    .name = "no_reseed, additional input",
	    .seed =
		"8148d65d86513ce7d38923ec2f26b9e7c677dcc8997e325b7372619e753ed944"
		"41c71a24d17d974190982bb7515ce7f5",
	    .outputs[0].more =
		"55b446046c2d14bdd0cdba4b71873fd4762650695a11507949462da8d964ab6a",
	    .outputs[1].more =
		"91468f1a097d99ee339462ca916cb4a10f63d53850a4f17f598eac490299b02e",
	    .answer =
		"54603d1a506132bbfa05b153a04f22a1d516cc46323cef15111af221f030f38d"
		"6841d4670518b4914a4631af682e7421dffaac986a38e94d92bfa758e2eb101f",
	},
	{
	    .name = "no_reseed, personalized",
	    .seed =
		"5416e77b5e1d872d4ff91973b1be66bc07f4a99e30db7d0006da006fcfb082db"
		"7a811ce62b9fd34af186b2b3e50eaf5d",
	    .personal =
		"71ee0c7699ac0e805632f2058de38bf872b8340f89998f7a8a2ad4ac045ae6ef",
	    .answer =
		"68f5859cf76f94c445d9fcd34fc17ac224c3d7d7c2fc38faaf3c24be6cd3cd93"
		"b7f9d8a6146f5ac83ac1d7b1b2b7e7ecbc1a2e38760ef86a577d402d85990d9b",
	},
	{
	    .name = "no_reseed, personalized, additional input",
	    .seed =
		"87b56e964eba227154724bb9484b812d3e2c0c43b3d17f6098d9526e16e6d0ef"
		"9bea6a7ff2358df142e6c23e2157fb83",
	    .personal =
		"9860b432edd58d1ccbfeecbce99ffaee7d935a614860d4e965bd67041403096b",
	    .outputs[0].more =
		"99a5cc87924e8ea65a596f81fd17d63f5b4542fe6e8e1511b5d35c835dfadb0b",
	    .outputs[1].more =
		"9a8dec54734a34582a2332f3452e82313524c3e0dfb485faeac6ca5fc0ff504d",
	    .answer =
		"dbc6a2330b19b5cddd8cd6392ec1fb508678c805e87d1aca07ac265007632503"
		"044a00610c79d98375afa7ab4cca1a90989cbfe7c674af5d823ced11c47e9af6",
	},
	{
	    .name = "pr_false",
	    .seed =
		"2d4c9f46b981c6a0b2b5d8c69391e569ff13851437ebc0fc00d616340252fed5"
		"0bf814b411f65ec4866be1abb59d3c32",
	    .reseed.entropy =
		"93500fae4fa32b86033b7a7bac9d37e710dcc67ca266bc8607d665937766d207",
	    .answer =
		"322dd28670e75c0ea638f3cb68d6a9d6e50ddfd052b772a7b1d78263a7b8978b"
		"6740c2b65a9550c3a76325866fa97e16d74006bc96f26249b9f0a90d076f08e5",
	},
	{
	    .name = "pr_false, additional input",
	    .seed =
		"6f60f0f9d486bc23e1223b934e61c0c78ae9232fa2e9a87c6dacd447c3f10e9e"
		"401e3f87762fa8a14ab232ccb8480a2f",
	    .reseed.entropy =
		"350be52552a65a804a106543ebb7dd046cffae104e4e8b2f18936d564d3c1950",
	    .reseed.more =
		"7a3688adb1cfb6c03264e2762ece96bfe4daf9558fabf74d7fff203c08b4dd9f",
	    .outputs[0].more =
		"67cf4a56d081c53670f257c25557014cd5e8b0e919aa58f23d6861b10b00ea80",
	    .outputs[1].more =
		"648d4a229198b43f33dd7dd8426650be11c5656adcdf913bb3ee5eb49a2a3892",
	    .answer =
		"2d819fb9fee38bfc3f15a07ef0e183ff36db5d3184cea1d24e796ba103687415"
		"abe6d9f2c59a11931439a3d14f45fc3f4345f331a0675a3477eaf7cd89107e37",
	},
	{
	    .name = "pr_false, personalized",
	    .seed =
		"5bb14bec3a2e435acab8b891f075107df387902cb2cd996021b1a1245d4ea2b5"
		"12ac7f444e247f770d2f4d0a65fdab4e",
	    .personal =
		"2e957d53cba5a6b9b8a2ce4369bb885c0931788015b9fe5ac3c01a7ec5eacd70",
	    .reseed.entropy =
		"19f30c84f6dbf1caf68cbec3d4bb90e5e8f5716eae8c1bbadaba99a2a2bd4eb2",
	    .answer =
		"b7dd8ac2c5eaa97c779fe46cc793b9b1e7b940c318d3b531744b42856f298264"
		"e45f9a0aca5da93e7f34f0ebc0ed0ea32c009e3e03cf01320c9a839807575405",
	},
	{
	    .name = "pr_false, personalized, additional input",
	    .seed =
		"174b46250051a9e3d80c56ae7163dafe7e54481a56cafd3b8625f99bbb29c442"
		"98ffd99c466e0e94a45da7e0e82dbc6b",
	    .personal =
		"7095268e99938b3e042734b9176c9aa051f00a5f8d2a89ada214b89beef18ebf",
	    .reseed.entropy =
		"e88be1967c5503f65d23867bbc891bd679db03b4878663f6c877592df25f0d9a",
	    .reseed.more =
		"cdf6ad549e45b6aa5cd67d024931c33cd133d52d5ae500c3015020beb30da063",
	    .outputs[0].more =
		"c7228e90c62f896a09e11684530102f926ec90a3255f6c21b857883c75800143",
	    .outputs[1].more =
		"76a94f224178fe4cbf9e2b8acc53c9dc3e50bb613aac8936601453cda3293b17",
	    .answer =
		"1a6d8dbd642076d13916e5e23038b60b26061f13dd4e006277e0268698ffb2c8"
		"7e453bae1251631ac90c701a9849d933995e8b0221fe9aca1985c546c2079027",
	},
	{
	    .name = "pr_true",
	    .seed =
		"16a1f035388cd8d956026e3b0117cb524dd3eb563f9a7720bb7dcb0fc6fbe743"
		"a2d015f22d854e29de278d910c573de5",
	    .outputs[0].entropy =
		"cf140bcd4d7130e7e3ea14046c56442b57c43b34ad219553e7105c18f6e561af",
	    .outputs[1].entropy =
		"e27c9f0be60d82d6cc474efb7fc737b16a6895d9a3a45b971d19b743c1a4ac8f",
	    .answer =
		"b4e8395bcb7503410a94633f70e9904a5b30e62c35bc6dd2a03496c4a49932e1"
		"84fbffdbcf1de1c72c50d36dc2ae8f04f40f96aae159c3fb816ca16df99b6c3e",
	},
	{
	    .name = "pr_true, additional input",
	    .seed =
		"a31337e0cbf2ee3e8d1d39324c978e714b5acc678920d5839fe95477ca3b8741"
		"a7f8b770a506acfc79b2c431660d310f",
	    .outputs[0].entropy =
		"c2e44d8b2c97f4c14e39c8137cc62818f1a223dde1dfe9def8672c2a6fab8c04",
	    .outputs[0].more =
		"5494597f0e8644d6028495c6599911cf30fc96a1b92a3a5dc862fecfc353c43d",
	    .outputs[1].entropy =
		"923405e7878b3e203cb531f688c10725d7a55edacc2b9f195f7137080b278ea1",
	    .outputs[1].more =
		"e7635b6f9e63c08942c4b5c86b5e60bbe3e89ea3809fb3939985c93eedd17f8d",
	    .answer =
		"5dbd55ed2f6d6c1749096b40f6a97d9cf42c0841b27ce0efd7433110d8118955"
		"c8cefeb9db8e1c7961eb3f517f2047d27281261760a5e2b24535bb6f565bb971",
	},
	{
	    .name = "pr_true, personalized",
	    .seed =
		"ca58fdf2b977cb49d4e05be23950d98a6ab3c52fdf74d5858fd1ba64547bdb1e"
		"c5ea24c0fa0c90150920924232364545",
	    .personal =
		"5a7095e98140523391537e75d6199d1ead0dc6a7de6c1fe0ea1833a87e0620e9",
	    .outputs[0].entropy =
		"7d20766bcfa215c82f9fbc883f80d12cb716d1809ee1c9b3881b2145efa17fce",
	    .outputs[1].entropy =
		"c89235552ad91d8e1238ac014e3818769cf2b6d413b62c77c0e7e60c474495be",
	    .answer =
		"ce2fdbb6d9b7398504c5c042c231c61d9b5a59f87e0dcc627b65115510eb9e3d"
		"a4fb1c6a18c074dbdde702236321d039f9a7c452843b4940722bb06c9cdbc343",
	},
	{
	    .name = "pr_true, personalized, additional input",
	    .seed =
		"534346a3e0baa65d7a51871b6d633a6f1efa9ff55dfde3212c95029adf2387d9"
		"0cbe99821509975d824fd826c47d2abc",
	    .personal =
		"020d7340569e68d992e6e8ddfbead9f993c74d971e4339fe91074f87e9d7d777",
	    .outputs[0].entropy =
		"286091709d2e91bfef6654b8449d5e5564b6c2fe1f3e4e6e59fe776461bfb0dc",
	    .outputs[0].more =
		"f41040eff2a7010287c2a76d7867a66e61299be1e1247a6b22a64b829ada8624",
	    .outputs[1].entropy =
		"e68e127b2e5b9d6539c26f7e78bec13314e37febdb7105d1d65f0bde23c87d38",
	    .outputs[1].more =
		"94efe68e2185646a17bb8a83268142a7b7a02786c1ee90ab8f7399ccf543de26",
	    .answer =
		"da6389d151e3b2b332fbcc02b2cc5af4f69835e9fbbe19130f91cbf30a3c2458"
		"0ebfb4311b3487e9d6a61de9dc2842c107152158b0e75a932c38e5b8ddff10e6",
	},
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

#endif
